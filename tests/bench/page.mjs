// What a page feels of its wallet: how long a call to the worker takes when the worker is idle and when it recovers,
// how long the main thread is ever blocked, and how soon an existing wallet is there after the page opens.

import { WORDS, withForgedFederation } from './support/federation.mjs';
import { options } from './support/options.mjs';
import { withBrowser } from './support/page.mjs';

export const prefix = 'page';
export const needs = ['package', 'guardian', 'chromium'];

const STARTS = 7;

/** Milliseconds: medians, and the worst ones of what must never be long. */
export async function run() {
  const { sessions, tx } = options();
  return withForgedFederation({ sessions, tx }, ({ federation }) =>
    withBrowser(async (newPage) => {
      const page = await newPage();
      const recovery = await page.evaluate(queryWhileRecovering, { words: WORDS, invite: federation.invite });
      const calls = await page.evaluate(timeCalls, 500);
      const starts = [];
      for (let i = 0; i < STARTS; i += 1) {
        // A new document: nothing of the last one's worker is left.
        await page.reload();
        starts.push(await page.evaluate(start));
      }
      return {
        [`${prefix}.call_ms.p50`]: percentile(calls, 0.5),
        [`${prefix}.recovering.balance_ms.p50`]: percentile(recovery.balances, 0.5),
        [`${prefix}.recovering.balance_ms.max`]: Math.max(...recovery.balances),
        [`${prefix}.recovering.longest_task_ms`]: recovery.longestTask,
        [`${prefix}.recovering.queries`]: recovery.balances.length,
        [`${prefix}.start_ms.p50`]: percentile(starts, 0.5),
        [`${prefix}.start_ms.max`]: Math.max(...starts),
      };
    }),
  );
}

function percentile(values, share) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

// What follows runs on the page.

/** Asks for the balance again and again until the recovery is done. Tasks are long from 50 ms on: 0 stands for none. */
async function queryWhileRecovering({ words, invite }) {
  const { Wallet } = /** @type {typeof import('rekindle')} */ (globalThis.rekindle);
  let longestTask = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longestTask = Math.max(longestTask, duration);
  });
  observer.observe({ type: 'longtask' });
  const wallet = await Wallet.recover({ words, invite });
  globalThis.wallet = wallet;
  let done = false;
  const ended = (async () => {
    for await (const { state, error } of wallet.recoveryProgress()) {
      if (state === 'failed') throw new Error(error.message);
    }
    done = true;
  })();
  const balances = [];
  while (!done) {
    const asked = performance.now();
    await wallet.balance();
    balances.push(performance.now() - asked);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await ended;
  observer.disconnect();
  return { balances, longestTask };
}

/** Means over a few calls each: one call is shorter than the page's clock can tell. */
async function timeCalls(count) {
  const CALLS = 20;
  const times = [];
  for (let i = 0; i < count; i += CALLS) {
    const asked = performance.now();
    for (let call = 0; call < CALLS; call += 1) await globalThis.wallet.state();
    times.push((performance.now() - asked) / CALLS);
  }
  await globalThis.wallet.close();
  return times;
}

/** From the start of the document's time, its load included, to the balance of the stored wallet. */
async function start() {
  const { Wallet } = /** @type {typeof import('rekindle')} */ (await import(`${location.origin}/index.js`));
  const wallet = await Wallet.open();
  await wallet.balance();
  const took = performance.now();
  await wallet.close();
  return took;
}
