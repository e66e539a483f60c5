/** The main promise: a device loses everything, and twelve words bring it back. */

import { expect, test } from '../harness/fixtures.js';

test('an erased wallet comes back from its words', async ({ newWallet, federation }) => {
  const alice = await newWallet();
  await alice.create();
  const words = await alice.words();
  await alice.fund(1000);
  const bob = await newWallet();
  await bob.create();

  const redeemed = await alice.send(300);
  expect(await bob.redeem(redeemed)).toBe(300);
  await bob.expectSpendable(300);
  const outstanding = await alice.send(120);
  await alice.expectSpendable(580);
  await alice.expectHistorySettled();
  await expect(alice.at('outstanding-item')).toHaveCount(1);
  const history = await alice.history();
  expect(history.map(({ kind, status, sats }) => [kind, status, sats])).toEqual([
    ['send', 'outstanding', '120'],
    ['send', 'settled', '300'],
    ['deposit', 'settled', '1000'],
  ]);

  await alice.erase();
  await alice.page.reload();
  await expect(alice.at('page-welcome')).toBeVisible();
  await alice.recover(words, federation.invite);

  await alice.expectSpendable(580);
  await expect(alice.at('balance-outstanding')).toHaveAttribute('data-sats', '120');
  expect(await alice.history()).toEqual(history);

  // What was spent stays spent, and what is there is real: all of it can be spent.
  await alice.tryToRedeem(redeemed);
  await alice.expectError('token_spent');
  const everything = await alice.send(580);
  expect(await bob.redeem(everything)).toBe(580);

  // The token that was out comes back, and nobody else can have it any more.
  await alice.go('home');
  await alice.page.locator('[data-testid=outstanding-item][data-sats="120"]').getByTestId('outstanding-reclaim').click();
  await alice.expectSpendable(120);
  await expect(alice.at('outstanding-item')).toHaveCount(0);
  await bob.tryToRedeem(outstanding);
  await bob.expectError('token_spent');
  await bob.expectSpendable(880);
  await alice.expectHistorySettled();
  expect((await alice.history()).map(({ kind, status, sats }) => [kind, status, sats])).toEqual([
    ['reclaim', 'settled', '120'],
    ['send', 'settled', '580'],
    ['send', 'reclaimed', '120'],
    ['send', 'settled', '300'],
    ['deposit', 'settled', '1000'],
  ]);
});
