/**
 * Firefox, and the wallet app in it.
 *
 * Playwright drives only its own build of Firefox, so the one that people have is driven by Puppeteer over
 * WebDriver BiDi. Everything else, federations and the served app, is what the tests in Chromium use.
 */

import puppeteer, { type Browser, type Locator, type Page } from 'puppeteer-core';
import { test as base } from '../browser/harness/fixtures.js';

const LAUNCH_MS = 120_000;
const ACTION_MS = 60_000;

/** The wallet app in one tab of one device, as a person uses it. */
export class FirefoxWallet {
  constructor(
    private readonly page: Page,
    private readonly url: string,
  ) {}

  /** Loads the app, also again. */
  async load(): Promise<void> {
    await this.page.goto(this.url);
  }

  /** An element; its tab comes to the front, since one in the background draws nothing and waits for ever. */
  async #at(testId: string): Promise<Locator<Element>> {
    await this.page.bringToFront();
    return this.page.locator(`[data-testid="${testId}"]`);
  }

  /** Waits until an element is shown, with further conditions as CSS. */
  async see(testId: string, condition = '', timeoutMs = ACTION_MS): Promise<void> {
    await this.page.bringToFront();
    await this.page.waitForSelector(`[data-testid="${testId}"]${condition}`, { visible: true, timeout: timeoutMs });
  }

  /** Presses a button or a link. */
  async press(testId: string): Promise<void> {
    await (await this.#at(testId)).click();
  }

  /** Fills in a field. */
  async type(testId: string, text: string): Promise<void> {
    await (await this.#at(testId)).fill(text);
  }

  /** The texts of all elements of this id, once there is one. */
  async texts(testId: string): Promise<string[]> {
    await this.see(testId);
    return this.page.$$eval(`[data-testid="${testId}"]`, (elements) => elements.map((element) => (element as HTMLElement).innerText.trim()));
  }

  /** Goes to the first page. */
  async home(): Promise<void> {
    await this.page.bringToFront();
    await this.page.waitForSelector('[data-testid=page-home], [data-testid=nav-home]', { visible: true });
    if (!(await this.page.$('[data-testid=page-home]'))) await this.press('nav-home');
    await this.see('page-home');
  }

  /** Goes to a page by way of the first one. */
  async go(page: 'send' | 'receive' | 'redeem' | 'settings'): Promise<void> {
    await this.home();
    await this.press(`nav-${page}`);
    await this.see(`page-${page}`);
  }

  /** Waits on the first page until so much can be spent. */
  async expectSpendable(sats: number): Promise<void> {
    await this.home();
    await this.see('balance-spendable', `[data-sats="${sats}"]`);
  }

  /** Creates a wallet in the federation that the app knows. */
  async create(): Promise<void> {
    await this.press('welcome-create');
    await this.press('join-submit');
    await this.see('page-home');
  }

  /** The twelve words. */
  async words(): Promise<string> {
    await this.go('settings');
    await this.press('settings-show-words');
    return (await this.texts('settings-word')).join(' ');
  }

  /** Makes a token. */
  async send(sats: number): Promise<string> {
    await this.go('send');
    await this.type('send-amount', String(sats));
    await this.press('send-submit');
    return (await this.texts('send-token'))[0]!;
  }

  /** Enters a token, good or bad. */
  async redeem(token: string): Promise<void> {
    await this.go('redeem');
    await this.type('redeem-token', token);
    await this.press('redeem-submit');
  }

  /** Brings a wallet back and goes to its first page. */
  async recover(words: string, invite: string): Promise<void> {
    await this.press('welcome-recover');
    await this.type('recover-words', words);
    await this.type('recover-invite', invite);
    await this.press('recover-submit');
    await this.see('recovery-continue', '', 90_000);
    await this.press('recovery-continue');
    await this.see('page-home');
  }
}

/** A browser profile that can be lost. */
export interface FirefoxDevice {
  /** The wallet app in its only tab. */
  wallet: FirefoxWallet;
  /** Loses it with everything that it stored. */
  lose(): Promise<void>;
}

/** Playwright's `test` with Firefox; a page that reports an error fails its test. */
export const test = base.extend<{ newFirefox: () => Promise<FirefoxDevice> }, { firefox: Browser }>({
  firefox: [
    async ({}, use) => {
      const executablePath = process.env['FIREFOX'];
      if (!executablePath) throw new Error('FIREFOX names no browser; `npm test -- firefox` sets it');
      const browser = await puppeteer.launch({ browser: 'firefox', executablePath, headless: true, timeout: LAUNCH_MS });
      await use(browser);
      await browser.close();
    },
    { scope: 'worker', timeout: 2 * LAUNCH_MS },
  ],

  newFirefox: async ({ firefox, appUrl }, use) => {
    const errors: string[] = [];
    await use(async () => {
      const context = await firefox.createBrowserContext();
      const page = await context.newPage();
      page.on('pageerror', (error) => errors.push(String(error)));
      page.on('console', (message) => {
        if (message.type() === 'error') errors.push(message.text());
      });
      page.setDefaultTimeout(ACTION_MS);
      const wallet = new FirefoxWallet(page, appUrl);
      await wallet.load();
      return { wallet, lose: () => context.close() };
    });
    if (errors.length > 0) throw new Error(`the page reported errors:\n${errors.join('\n')}`);
  },
});
