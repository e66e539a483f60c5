// A payment between two browsers on a live federation of 4 guardians on the same machine: from asking for a
// token until its receiver has spendable notes that f+1 guardians attest.

import { Failure } from '../../scripts/lib/failure.mjs';
import { withFreshFederation } from './support/federation.mjs';
import { options } from './support/options.mjs';
import { withBrowser } from './support/page.mjs';

export const prefix = 'payment.latency_ms';
export const needs = ['package', 'guardian', 'chromium'];

const FUNDS_SATS = 1_000_000;

/** Milliseconds: median and 95th percentile, and the medians of sending and redeeming alone. */
export async function run() {
  const { payments } = options();
  const times = await withFreshFederation((federation) =>
    withBrowser(async (newPage) => {
      const [sender, receiver] = [await newPage(), await newPage()];
      await sender.evaluate(fund, { invite: federation.invite, faucet: federation.faucet, sats: FUNDS_SATS });
      await receiver.evaluate(join, federation.invite);
      const times = [];
      for (let i = 0; i < payments; i += 1) {
        // Amounts of different shapes: a payment's cost depends on how many notes it takes.
        const sats = 1 + ((i * 7_919) % 20_000);
        const [started, token] = [performance.now(), await sender.evaluate(send, sats)];
        const sent = performance.now();
        const received = await receiver.evaluate(redeem, token);
        const ended = performance.now();
        if (received !== sats) throw new Failure(`${received} sats arrived instead of ${sats}`);
        times.push({ total: ended - started, send: sent - started, redeem: ended - sent });
      }
      return times;
    }),
  );
  const of = (part, share) => percentile(times.map((time) => time[part]), share);
  return {
    [`${prefix}.p50`]: of('total', 0.5),
    [`${prefix}.p95`]: of('total', 0.95),
    [`${prefix}.send.p50`]: of('send', 0.5),
    [`${prefix}.redeem.p50`]: of('redeem', 0.5),
  };
}

function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

// What follows runs on pages.

async function join(invite) {
  const { Wallet } = /** @type {typeof import('rekindle')} */ (globalThis.rekindle);
  globalThis.wallet = await Wallet.create();
  await globalThis.wallet.join({ invite });
}

async function fund({ invite, faucet, sats }) {
  const { Wallet } = /** @type {typeof import('rekindle')} */ (globalThis.rekindle);
  const wallet = await Wallet.create();
  globalThis.wallet = wallet;
  await wallet.join({ invite });
  const funded = new Promise((resolve) => {
    wallet.on('change', async () => {
      if ((await wallet.balance()).spendableSats === BigInt(sats)) resolve(undefined);
    });
  });
  const body = JSON.stringify({ address: await wallet.depositAddress(), amount_sats: sats });
  const response = await fetch(faucet, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  if (!response.ok) throw new Error(`the faucet answers ${response.status}`);
  await funded;
}

async function send(sats) {
  return (await globalThis.wallet.send({ amountSats: BigInt(sats) })).token;
}

async function redeem(token) {
  const { amountSats } = await globalThis.wallet.redeem({ token });
  const { spendableSats } = await globalThis.wallet.balance();
  if (spendableSats < amountSats) throw new Error('what was redeemed can not be spent');
  return Number(amountSats);
}
