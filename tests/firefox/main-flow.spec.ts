/** In Firefox: create, pay, lose everything, recover. */

import { test } from './firefox.js';

test('a lost device comes back from its words', async ({ newFirefox, federation }) => {
  const device = await newFirefox();
  const alice = device.wallet;
  await alice.create();
  const words = await alice.words();
  await alice.go('receive');
  await alice.type('faucet-amount', '1000');
  await alice.press('faucet-submit');
  await alice.expectSpendable(1000);

  const { wallet: bob } = await newFirefox();
  await bob.create();
  const redeemed = await alice.send(300);
  await bob.redeem(redeemed);
  await bob.see('redeem-amount', '[data-sats="300"]');
  await alice.load();
  await alice.expectSpendable(700);
  await alice.see('history-item', '[data-kind=send][data-status=settled]');

  await device.lose();
  const { wallet: restored } = await newFirefox();
  await restored.recover(words, federation.invite);
  await restored.expectSpendable(700);
  await restored.redeem(redeemed);
  await restored.see('error', '[data-code=token_spent]');

  // What came back is real: all of it can be spent.
  await bob.redeem(await restored.send(700));
  await bob.see('redeem-amount', '[data-sats="700"]');
  await bob.load();
  await bob.expectSpendable(1000);
});
