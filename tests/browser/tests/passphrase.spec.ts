/** What a wallet stores, under a passphrase. */

import type { Page } from '@playwright/test';
import { expect, test } from '../harness/fixtures.js';
import { limitMemory } from '../harness/little-memory.js';
import type { WalletPage } from '../harness/wallet-page.js';

test('a passphrase is set, locks, unlocks, changes and goes', async ({ newWallet }) => {
  const wallet = await newWallet();
  wallet.watch.keepSecret('correct horse');
  await wallet.create();
  await wallet.fund(500);
  const clear = await stored(wallet.page);

  await setPassphrase(wallet, undefined, 'correct horse');
  await expect(wallet.at('passphrase')).toHaveAttribute('data-set', 'true');
  const sealed = (await stored(wallet.page)).join('\n');
  // Whatever is long enough not to be there by chance.
  const secrets = clear.filter((value) => value.length >= 32);
  expect(secrets.length).toBeGreaterThan(3);
  for (const value of secrets) expect(sealed.includes(value)).toBe(false);

  await wallet.page.reload();
  await expect(wallet.at('page-locked')).toBeVisible();
  await unlock(wallet, 'wrong');
  await wallet.expectError('passphrase_wrong');
  await unlock(wallet, 'correct horse');
  await wallet.expectSpendable(500);

  await setPassphrase(wallet, 'wrong', 'battery staple');
  await wallet.expectError('passphrase_wrong');
  await setPassphrase(wallet, 'correct horse', 'battery staple');
  await expect(wallet.at('passphrase-current')).toHaveValue('');
  await wallet.at('passphrase-lock').click();
  await expect(wallet.at('page-locked')).toBeVisible();
  await unlock(wallet, 'correct horse');
  await wallet.expectError('passphrase_wrong');
  await unlock(wallet, 'battery staple');
  await wallet.expectSpendable(500);
  await wallet.send(100);

  await wallet.go('settings');
  await wallet.at('passphrase-current').fill('battery staple');
  await wallet.at('passphrase-remove').click();
  await expect(wallet.at('passphrase')).toHaveAttribute('data-set', 'false');
  await wallet.page.reload();
  await wallet.expectSpendable(400);
});

test('a forgotten passphrase costs nothing but the words', async ({ newWallet, federation }) => {
  const wallet = await newWallet();
  await wallet.create();
  await wallet.fund(300);
  const words = await wallet.words();
  await setPassphrase(wallet, undefined, 'correct horse');
  await wallet.at('passphrase-lock').click();
  await wallet.at('erase-open').click();
  await wallet.at('erase-confirm').click();
  await wallet.recover(words, federation.invite);
  await wallet.expectSpendable(300);
});

test('a passphrase that is mistyped the second time is not set', async ({ newWallet }) => {
  const wallet = await newWallet();
  await wallet.create();
  await wallet.go('settings');
  await wallet.at('passphrase-next').fill('correct horse');
  await wallet.at('passphrase-repeat').fill('correct hose');
  await wallet.at('passphrase-submit').click();
  await wallet.expectError('passphrase_repeat');
  await expect(wallet.at('passphrase')).toHaveAttribute('data-set', 'false');
});

test('a device without the memory for it says so', async ({ newWallet }) => {
  const wallet = await newWallet();
  await wallet.create();
  await setPassphrase(wallet, undefined, 'correct horse');
  await limitMemory(wallet.page.context(), 16 << 20);
  await wallet.page.reload();
  await unlock(wallet, 'correct horse');
  await wallet.expectError('out_of_memory');
  await wallet.page.context().unrouteAll();
  await wallet.page.reload();
  await unlock(wallet, 'correct horse');
  await expect(wallet.at('page-settings')).toBeVisible();
});

async function unlock(wallet: WalletPage, passphrase: string): Promise<void> {
  await wallet.at('locked-passphrase').fill(passphrase);
  await wallet.at('locked-submit').click();
}

async function setPassphrase(wallet: WalletPage, current: string | undefined, next: string): Promise<void> {
  if (!(await wallet.at('page-settings').isVisible())) await wallet.go('settings');
  if (current !== undefined) await wallet.at('passphrase-current').fill(current);
  await wallet.at('passphrase-next').fill(next);
  await wallet.at('passphrase-repeat').fill(next);
  await wallet.at('passphrase-submit').click();
  await expect(wallet.at('passphrase-submit')).toHaveAttribute('aria-busy', 'false');
}

/** All values in the wallet's database, in hexadecimal digits. */
async function stored(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
      });
    const values: Uint8Array[] = [];
    for (const { name } of await indexedDB.databases()) {
      const database = await done(indexedDB.open(name!));
      for (const store of database.objectStoreNames) values.push(...(await done(database.transaction(store).objectStore(store).getAll())));
      database.close();
    }
    return values.map((bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(''));
  });
}
