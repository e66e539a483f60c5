/** Whatever a person types or pastes wrong: a sentence about it, and nothing is lost. */

import { FORGED_WORDS } from '../harness/federations.js';
import { expect, test } from '../harness/fixtures.js';

/** Changes the character in the middle to another of the alphabet. */
function flipped(text: string): string {
  const at = Math.floor(text.length / 2);
  return text.slice(0, at) + (text[at] === 'q' ? 'p' : 'q') + text.slice(at + 1);
}

test('words and invite codes', async ({ newWallet, federation }) => {
  const wallet = await newWallet();
  const words = FORGED_WORDS.split(' ');
  const wrong: [string, string, string][] = [
    ['words_count', words.slice(1).join(' '), federation.invite],
    ['words_count', `${FORGED_WORDS} legal`, federation.invite],
    ['words_unknown', [...words.slice(0, 11), 'rekindled'].join(' '), federation.invite],
    ['words_checksum', [...words.slice(0, 11), 'zoo'].join(' '), federation.invite],
    ['invite_invalid', FORGED_WORDS, flipped(federation.invite)],
    ['invite_invalid', FORGED_WORDS, 'hello'],
    ['invite_invalid', FORGED_WORDS, ''],
  ];
  for (const [code, entered, invite] of wrong) {
    await wallet.tryToRecover(entered, invite);
    await wallet.expectError(code);
    // What was typed stays, so that it can be corrected.
    await expect(wallet.at('recover-words')).toHaveValue(entered);
  }
  await wallet.at('nav-home').click();
  await wallet.at('welcome-create').click();
  await wallet.at('join-invite').fill(flipped(federation.invite));
  await wallet.at('join-submit').click();
  await wallet.expectError('invite_invalid');
  await wallet.join(federation.invite);
});

test('tokens and amounts', async ({ newWallet, federation, forged, request }) => {
  const alice = await newWallet();
  await alice.create();
  await alice.fund(500);
  const bob = await newWallet();
  await bob.create();
  const token = await alice.send(100);
  expect(await bob.redeem(token)).toBe(100);
  await alice.expectSpendable(400);

  const stranger = await newWallet();
  await stranger.create(forged.invite);
  await stranger.go('receive');
  const address = await stranger.at('receive-address').innerText();
  const paid = await request.post(forged.guardians.faucet, { data: { address, amount_sats: 50 } });
  expect(paid.ok()).toBe(true);
  await stranger.expectSpendable(50);
  const foreign = await stranger.send(20);

  const fresh = await alice.send(30);
  const tokens: [string, string][] = [
    ['token_spent', token],
    ['token_other_federation', foreign],
    ['token_invalid', flipped(fresh)],
    ['token_invalid', fresh.slice(0, -1)],
    ['token_invalid', 'hello'],
    ['token_invalid', federation.invite],
  ];
  for (const [code, entered] of tokens) {
    await bob.tryToRedeem(entered);
    await bob.expectError(code);
    await expect(bob.at('redeem-token')).toHaveValue(entered);
  }
  await bob.expectSpendable(100);
  expect(await bob.redeem(fresh)).toBe(30);

  const amounts: [string, string][] = [
    ['amount_invalid', '0'],
    ['amount_invalid', ''],
    ['amount_invalid', 'ten'],
    ['amount_invalid', '1.5'],
    ['amount_invalid', '-5'],
    ['insufficient_balance', '371'],
    ['amount_too_large', '1000000000000000000000000'],
  ];
  for (const [code, entered] of amounts) {
    await alice.go('send');
    await alice.at('send-amount').fill(entered);
    await alice.at('send-submit').click();
    await alice.expectError(code);
  }
  await alice.expectSpendable(370);
  await alice.send(370);
  await alice.expectSpendable(0);
});
