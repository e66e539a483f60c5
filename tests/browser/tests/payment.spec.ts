/** How long people wait for a payment. */

import { expect, test } from '../harness/fixtures.js';

/** A generous bound: what is usual is printed, and measured by the benches. */
const BOUND_MS = 10_000;

test('a payment takes a moment', async ({ newWallet }) => {
  const alice = await newWallet();
  await alice.create();
  await alice.fund(100);
  await alice.expectHistorySettled();
  const bob = await newWallet();
  await bob.create();
  await bob.go('redeem');

  const started = performance.now();
  const token = await alice.send(42);
  const sent = performance.now();
  expect(await bob.redeem(token)).toBe(42);
  const redeemed = performance.now();
  await bob.expectSpendable(42);
  await bob.expectHistorySettled();
  const confirmed = performance.now();

  const ms = (from: number, to: number) => `${Math.round(to - from)} ms`;
  console.log(
    `  payment: token made in ${ms(started, sent)}, redeemed in ${ms(sent, redeemed)}, ` +
      `confirmed after ${ms(redeemed, confirmed)}, all in ${ms(started, confirmed)}`,
  );
  expect(confirmed - started).toBeLessThan(BOUND_MS);
});
