/** One wallet in several tabs, and tabs that break. */

import { FORGED_WORDS } from '../harness/federations.js';
import { expect, test } from '../harness/fixtures.js';
import { limitMemory } from '../harness/little-memory.js';
import { WalletPage } from '../harness/wallet-page.js';

test('a second tab follows, takes over, and gives back when it crashes', async ({ newWallet, watch }) => {
  const one = await newWallet();
  await one.create();
  await one.fund(700);

  const two = await WalletPage.open(one.page.context(), watch);
  await expect(two.at('page-following')).toBeVisible();
  await expect(two.at('balance-spendable')).toHaveAttribute('data-sats', '700');
  await one.send(200);
  await expect(two.at('balance-spendable')).toHaveAttribute('data-sats', '500');

  await two.at('following-take-over').click();
  await expect(two.at('page-home')).toBeVisible();
  await expect(one.at('page-following')).toBeVisible();
  await two.send(100);
  await expect(one.at('balance-spendable')).toHaveAttribute('data-sats', '400');

  // It does not get to say goodbye.
  await two.page.goto('chrome://crash').catch(() => {});
  await one.expectSpendable(400);
  await one.send(50);
});

test('a second tab shows nothing of a wallet that is locked, and begins anew when it is erased', async ({ newWallet, watch }) => {
  const one = await newWallet();
  watch.keepSecret('correct horse');
  await one.create();
  await one.fund(300);
  await one.go('settings');
  await one.at('passphrase-next').fill('correct horse');
  await one.at('passphrase-repeat').fill('correct horse');
  await one.at('passphrase-submit').click();
  await expect(one.at('passphrase')).toHaveAttribute('data-set', 'true');

  const two = await WalletPage.open(one.page.context(), watch);
  await expect(two.at('balance-spendable')).toHaveAttribute('data-sats', '300');
  await one.at('passphrase-lock').click();
  await expect(one.at('page-locked')).toBeVisible();
  await expect(two.at('balance-spendable')).toBeHidden();
  await two.page.reload();
  await two.at('following-take-over').click();
  await expect(two.at('page-locked')).toBeVisible();
  await two.at('locked-passphrase').fill('correct horse');
  await two.at('locked-submit').click();
  await expect(two.at('page-home')).toBeVisible();
  await two.expectSpendable(300);

  await expect(one.at('balance-spendable')).toHaveAttribute('data-sats', '300');
  await two.erase();
  await expect(one.at('page-welcome')).toBeVisible();
});

test('a second tab shows how a recovery goes on', async ({ newWallet, forged, watch }) => {
  const one = await newWallet();
  // Nobody answers for the second half of history until both tabs are there.
  let bothAreThere = () => {};
  const held = new Promise<void>((resolve) => (bothAreThere = resolve));
  await one.page.context().route(/\/v\d+\/recovery\?/, async (route) => {
    if (Number(new URL(route.request().url()).searchParams.get('from')) >= forged.history.sessions / 2) await held;
    await route.continue();
  });
  await one.tryToRecover(FORGED_WORDS, forged.invite);
  await expect(one.at('recovery-sessions')).toBeVisible();
  const two = await WalletPage.open(one.page.context(), watch);
  await expect(two.at('page-following')).toBeVisible();
  // Other tests may have added some.
  const total = async () => Number(await two.at('recovery-sessions').getAttribute('data-total'));
  await expect.poll(total).toBeGreaterThanOrEqual(forged.history.sessions);
  bothAreThere();
  await expect(two.at('recovery-sessions')).toBeHidden({ timeout: 60_000 });
  await expect(two.at('balance-spendable')).toHaveAttribute('data-sats', String(forged.history.balance_sats));
  await one.openRecovered();
});

test('a wallet that crashes goes on in another worker', async ({ newWallet }) => {
  const wallet = await newWallet();
  await wallet.create();
  await wallet.fund(300);
  await limitMemory(wallet.page.context(), 8 << 20);
  await wallet.page.reload();
  await expect(wallet.at('page-home')).toBeVisible();
  await wallet.go('redeem');
  // More than there is memory for: the module traps.
  await wallet.at('redeem-token').evaluate((field: HTMLTextAreaElement) => {
    field.style.display = 'none';
    field.value = 'x'.repeat(12 << 20);
    field.dispatchEvent(new Event('input'));
  });
  await wallet.at('redeem-submit').click();
  await wallet.expectError('crashed');
  await wallet.expectSpendable(300);
  await wallet.send(100);
  await wallet.expectSpendable(200);
});

test('storage that is full, gone or missing is said', async ({ newWallet, newDevice, watch, appUrl }) => {
  const wallet = await newWallet();
  await expect(wallet.at('page-welcome')).toBeVisible();
  const browser = await wallet.page.context().newCDPSession(wallet.page);
  await browser.send('Storage.overrideQuotaForOrigin', { origin: new URL(appUrl).origin, quotaSize: 1 });
  await wallet.at('welcome-create').click();
  await wallet.expectError('storage_full');
  await browser.send('Storage.overrideQuotaForOrigin', { origin: new URL(appUrl).origin });
  await wallet.create();
  await wallet.fund(100);

  await wallet.page.evaluate(async () => {
    for (const { name } of await indexedDB.databases()) {
      await new Promise((resolve) => (indexedDB.deleteDatabase(name!).onsuccess = resolve));
    }
  });
  await wallet.go('send');
  await wallet.at('send-amount').fill('10');
  await wallet.at('send-submit').click();
  await wallet.expectError('storage_gone');

  const without = await newDevice();
  await without.route('**/worker*.js', async (route) => {
    const response = await route.fetch();
    const body = `Object.defineProperty(globalThis, 'indexedDB', { value: undefined });${await response.text()}`;
    await route.fulfill({ response, body });
  });
  const poor = await WalletPage.open(without, watch);
  await expect(poor.at('page-failed')).toBeVisible();
  await poor.expectError('storage_unavailable');
});
