/** Backups that guardians keep: written by themselves, and what a recovery begins with. */

import { expect, test } from '../harness/fixtures.js';
import { WalletPage } from '../harness/wallet-page.js';

/** Words that nobody uses. */
const UNUSED = 'letter advice cage absurd amount doctor acoustic avoid letter advice cage above';

test('a wallet backs up by itself, and its recovery begins with the backup', async ({ newWallet, newDevice, watch, federation }) => {
  // Some history before the wallet joins.
  const before = await newWallet();
  await before.create(federation.invite);
  await before.fund(50);

  const wallet = await newWallet();
  await wallet.create(federation.invite);
  const words = await wallet.words();
  await expect(wallet.at('backup-time')).toHaveAttribute('data-ms', /\d{13}/, { timeout: 30_000 });
  await wallet.fund(1_000);
  const token = await wallet.send(300);
  await wallet.expectHistorySettled();
  const history = await wallet.history();
  await wallet.erase();

  const asked = watch.urls.length;
  const restored = await WalletPage.open(await newDevice(), watch);
  await restored.tryToRecover(words, federation.invite);
  await expect(restored.at('recovery-done')).toHaveAttribute('data-restored', /[1-9]/, { timeout: 60_000 });
  await restored.openRecovered();
  await restored.expectSpendable(700);
  expect(await restored.history()).toEqual(history);
  const ranges = watch.urls.slice(asked).filter((url) => /^\/v\d+\/recovery$/.test(new URL(url).pathname));
  expect(ranges.filter((url) => new URL(url).searchParams.get('from') === '0')).toEqual([]);

  // Read again without it, it is the same.
  await restored.go('settings');
  await restored.at('restart-open').click();
  await restored.at('restart-confirm').click();
  await expect(restored.at('recovery-done')).toHaveAttribute('data-restored', '', { timeout: 60_000 });
  await restored.openRecovered();
  await restored.expectSpendable(700);
  expect(await before.redeem(token)).toBe(300);
});

test('words that the guardians have never seen', async ({ newWallet, federation }) => {
  const wallet = await newWallet();
  await wallet.tryToRecover(UNUSED, federation.invite);
  await expect(wallet.at('recovery-words-new')).toBeVisible();
  await wallet.openRecovered();
  await wallet.expectSpendable(0);
});
