/** The wallet app as a person uses it: what is pressed, typed and read. */

import { expect, type BrowserContext, type Locator, type Page } from '@playwright/test';
import type { DeviceWatch } from './device-watch.js';
import type { ForgedHistory } from './federations.js';

/** The app shows no more lines of history than this. */
const LINES = 200;

/** A line of the history as the page shows it. */
export interface HistoryLine {
  /** The operation's id. */
  operation: string;
  /** What it did. */
  kind: string;
  /** How far it is. */
  status: string;
  /** How much, in sats. */
  sats: string;
}

/** The wallet of one device. */
export class WalletPage {
  constructor(
    /** The tab it is open in. */
    readonly page: Page,
    readonly watch: DeviceWatch,
  ) {}

  /** Opens the app in a new tab of a device. */
  static async open(device: BrowserContext, watch: DeviceWatch): Promise<WalletPage> {
    const wallet = new WalletPage(await device.newPage(), watch);
    await wallet.page.goto('/');
    return wallet;
  }

  /** The process that runs page and worker is gone at once, as when a phone runs out of memory. */
  async kill(): Promise<void> {
    const crashed = this.page.waitForEvent('crash');
    const devtools = await this.page.context().newCDPSession(this.page);
    void devtools.send('Page.crash').catch(() => {});
    await crashed;
    await this.page.close();
  }

  /** An element by its test id. */
  at(testId: string): Locator {
    return this.page.getByTestId(testId);
  }

  /** Creates a wallet and joins the federation of the invite code, or the prefilled one. */
  async create(invite?: string): Promise<void> {
    await this.at('welcome-create').click();
    await this.join(invite);
  }

  /** Joins the federation of the invite code, or the prefilled one. */
  async join(invite?: string): Promise<void> {
    if (invite !== undefined) await this.at('join-invite').fill(invite);
    await expect(this.at('join-invite')).toHaveValue(/./);
    await this.at('join-submit').click();
    await expect(this.at('page-home')).toBeVisible();
  }

  /** Goes to a page from wherever the wallet is. */
  async go(page: 'home' | 'send' | 'receive' | 'redeem' | 'settings'): Promise<void> {
    if (!(await this.at('page-home').isVisible())) await this.at('nav-home').click();
    await expect(this.at('page-home')).toBeVisible();
    if (page !== 'home') await this.at(`nav-${page}`).click();
    await expect(this.at(`page-${page}`)).toBeVisible();
  }

  /** Has the faucet pay, and waits until the money can be spent. */
  async fund(sats: number): Promise<void> {
    const before = await this.spendable();
    await this.go('receive');
    await this.at('faucet-amount').fill(String(sats));
    await this.at('faucet-submit').click();
    await this.go('home');
    await this.expectSpendable(before + sats);
  }

  /** What can be spent, as the first page shows it. */
  async spendable(): Promise<number> {
    await this.go('home');
    return Number(await this.at('balance-spendable').getAttribute('data-sats'));
  }

  /** Waits until so much can be spent. */
  async expectSpendable(sats: number): Promise<void> {
    await this.go('home');
    await expect(this.at('balance-spendable')).toHaveAttribute('data-sats', String(sats));
  }

  /** Makes a token. */
  async send(sats: number): Promise<string> {
    await this.go('home');
    await this.go('send');
    await this.at('send-amount').fill(String(sats));
    await this.at('send-submit').click();
    const token = await this.at('send-token').innerText();
    this.watch.keepSecret(token);
    return token;
  }

  /** Redeems a token and says what it was worth. */
  async redeem(token: string): Promise<number> {
    await this.tryToRedeem(token);
    return Number(await this.at('redeem-amount').getAttribute('data-sats'));
  }

  /** Enters a token, good or bad. */
  async tryToRedeem(token: string): Promise<void> {
    await this.go('redeem');
    await this.at('redeem-token').fill(token);
    await this.at('redeem-submit').click();
  }

  /** The twelve words. */
  async words(): Promise<string> {
    await this.go('settings');
    await this.at('settings-show-words').click();
    await expect(this.at('settings-word')).toHaveCount(12);
    const words = await this.at('settings-word').allInnerTexts();
    this.watch.keepWordsSecret(words);
    return words.join(' ');
  }

  /** Removes the wallet from the device. */
  async erase(): Promise<void> {
    await this.go('settings');
    await this.at('erase-open').click();
    await this.at('erase-confirm').click();
    await expect(this.at('page-welcome')).toBeVisible();
  }

  /** Enters words and invite code, good or bad. */
  async tryToRecover(words: string, invite: string): Promise<void> {
    await expect(this.at('page-welcome').or(this.at('page-recover'))).toBeVisible();
    if (await this.at('page-welcome').isVisible()) await this.at('welcome-recover').click();
    await this.at('recover-words').fill(words);
    await this.at('recover-invite').fill(invite);
    await this.at('recover-submit').click();
  }

  /** Recovers from words and waits for the recovered wallet. */
  async recover(words: string, invite: string): Promise<void> {
    this.watch.keepWordsSecret(words.split(' '));
    await this.tryToRecover(words, invite);
    await this.openRecovered();
  }

  /** Waits for the end of a recovery that runs, and goes to the first page. */
  async openRecovered(): Promise<void> {
    await this.at('recovery-continue').click({ timeout: 90_000 });
    await expect(this.at('page-home')).toBeVisible();
  }

  /** The history as it is shown, newest first. */
  async history(): Promise<HistoryLine[]> {
    await this.go('home');
    return this.at('history-item').evaluateAll((items) =>
      items.map((item) => (item as HTMLElement).dataset).map((dataset) => ({
        operation: dataset['operation'] ?? '',
        kind: dataset['kind'] ?? '',
        status: dataset['status'] ?? '',
        sats: dataset['sats'] ?? '',
      })),
    );
  }

  /** Waits until it shows all that a forged history holds. */
  async expectForged(history: ForgedHistory): Promise<void> {
    await this.expectSpendable(history.balance_sats);
    await expect(this.at('balance-outstanding')).toHaveAttribute('data-sats', String(history.outstanding_sats));
    await expect(this.at('outstanding-item')).toHaveCount(history.outstanding_tokens);
    await expect(this.at('history-item')).toHaveCount(Math.min(history.operations, LINES));
  }

  /** Waits until every line of the history is final, tokens out in the world aside. */
  async expectHistorySettled(): Promise<void> {
    await this.go('home');
    await expect(this.page.locator('[data-testid=history-item][data-status=pending]')).toHaveCount(0);
  }

  /** Waits for an error of this code, shown as a sentence. */
  async expectError(code: string): Promise<void> {
    await expect(this.at('error').first()).toHaveAttribute('data-code', code);
    await expect(this.at('error').first()).toHaveText(/^\p{Lu}.{10,}[.]$/u);
  }
}
