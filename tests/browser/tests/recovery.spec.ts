/** Recovery from a long history, with everything going wrong that can. */

import { FORGED_WORDS, type ForgedHistory, type ProxiedFederation } from '../harness/federations.js';
import type { Fault } from '../harness/fault-proxy.js';
import { expect, test } from '../harness/fixtures.js';
import { StoppingWorker } from '../harness/stopping-worker.js';
import { WalletPage } from '../harness/wallet-page.js';

/** How often a page is killed, each time at another moment. */
const KILLS = 10;

/** How long a life that is never killed needs for a history that is slow, in milliseconds. */
const READING_MS = 8_000;

/** A recovery has fewer writes than this. */
const MOST_WRITES = 40;

/** What a wallet keeps apart and recovers apart. */
const MODULES = ['mint', 'deposit', 'operations'];

/** A moment within the next seconds, in milliseconds: by chance, and the same in every run. */
function moment(seed: number): number {
  return ((seed * 2_654_435_761) >>> 0) % 3_000;
}

/** The positions that the page has shown, in order. */
declare global {
  interface Window {
    positions: number[];
  }
}

/** Where a range of history begins. */
function firstSession(url: string): number {
  return Number(new URL(url).searchParams.get('from'));
}

async function recoverForged(wallet: WalletPage, { invite, history }: ProxiedFederation & { history: ForgedHistory }): Promise<void> {
  const started = Date.now();
  await wallet.recover(FORGED_WORDS, invite);
  console.log(`  recovered ${history.sessions} sessions in ${Date.now() - started} ms`);
  await wallet.expectForged(history);
}

test('all guardians well', async ({ newWallet, forged }) => {
  await recoverForged(await newWallet(), forged);
});

test('a page killed in the middle of recovery goes on from its snapshot', async ({ newDevice, watch, forged }) => {
  const device = await newDevice();
  await device.addInitScript(() => {
    window.positions = [];
    const look = () => {
      const shown = document.querySelector<HTMLElement>('[data-testid=recovery-sessions]');
      if (shown) window.positions.push(Number(shown.dataset['done']));
    };
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributeFilter: ['data-done'] });
  });
  const first = await WalletPage.open(device, watch);
  // All but the first quarter takes two seconds, so that a snapshot is due; nobody answers for the last quarter, so
  // that the middle lasts until the page is dead.
  let began: number | undefined;
  await first.page.route(/\/v\d+\/recovery\?/, async (route) => {
    const start = (began ??= Date.now());
    const part = firstSession(route.request().url()) / forged.history.sessions;
    if (part >= 0.25) await expect.poll(() => Date.now() - start, { timeout: 60_000 }).toBeGreaterThan(2_000);
    if (part < 0.75) await route.continue();
  });
  watch.keepWordsSecret(FORGED_WORDS.split(' '));
  await first.tryToRecover(FORGED_WORDS, forged.invite);
  const position = () => first.page.evaluate(() => window.positions.at(-1) ?? 0);
  await expect.poll(position, { intervals: [20], timeout: 60_000 }).toBeGreaterThan(forged.history.sessions / 2);
  // What was read in the first seconds is saved.
  const saved = () => first.page.evaluate(() => Number(document.querySelector<HTMLElement>('[data-testid=recovery-sessions]')?.dataset['snapshots']));
  await expect.poll(saved, { timeout: 60_000 }).toBeGreaterThan(0);

  await first.kill();

  const asked = watch.urls.length;
  const second = await WalletPage.open(device, watch);
  await second.openRecovered();
  const resumedAt = (await second.page.evaluate(() => window.positions))[0];
  expect(resumedAt).toBeGreaterThan(0);
  expect(resumedAt).toBeLessThan(forged.history.sessions);
  const ranges = watch.urls.slice(asked).filter((url) => /^\/v\d+\/recovery$/.test(new URL(url).pathname));
  expect(Math.min(...ranges.map(firstSession))).toBe(resumedAt);
  console.log(`  resumed at session ${resumedAt} of ${forged.history.sessions}`);
  await second.expectForged(forged.history);
});

test('a page killed at random moments, again and again, ends with the same', async ({ newDevice, watch, forged }) => {
  const device = await newDevice();
  const states: (string | null)[] = [];
  // The session at which each life went on with reading.
  const began: number[] = [];
  // At first history takes some seconds, so that lives end in its middle, and those that are long enough save some of it;
  // then it is quick, so that they end at its end.
  await device.route(/\/v\d+\/recovery\?/, async (route) => {
    const first = firstSession(route.request().url());
    const start = (began[states.length] = Math.min(began[states.length] ?? Infinity, first));
    const slow = states.length < KILLS / 2 ? 150 + (READING_MS * (first - start)) / forged.history.sessions : 0;
    await new Promise((resolve) => setTimeout(resolve, slow));
    // The page may be gone by now.
    await route.continue().catch(() => {});
  });
  watch.keepWordsSecret(FORGED_WORDS.split(' '));
  let wallet = await WalletPage.open(device, watch);
  await wallet.tryToRecover(FORGED_WORDS, forged.invite);
  await expect(wallet.at('page-recovering')).toBeVisible();
  for (let seed = 1; seed <= KILLS; seed += 1) {
    await wallet.page.waitForTimeout(moment(seed));
    const state = wallet.at('recovery-state');
    states.push((await state.isVisible()) ? await state.getAttribute('data-state') : null);
    await wallet.kill();
    wallet = await WalletPage.open(device, watch);
  }
  console.log(`  killed while ${states.join(', ')}; lives began at ${began.join(', ')} of ${forged.history.sessions}`);
  expect(states.filter((state) => state === 'running').length).toBeGreaterThan(2);
  // What one life had saved none read again.
  const starts = began.filter((start) => start !== undefined);
  expect(starts).toEqual([...starts].sort((one, other) => one - other));
  expect(starts.filter((start) => start > 0 && start < forged.history.sessions).length).toBeGreaterThan(0);
  await expect(wallet.at('recovery-continue').or(wallet.at('page-home'))).toBeVisible({ timeout: 90_000 });
  if (await wallet.at('recovery-continue').isVisible()) await wallet.openRecovered();
  await wallet.expectForged(forged.history);
});

test('a page killed after each of its writes ends with the same', async ({ newDevice, watch, forged }) => {
  const device = await newDevice();
  // History takes some seconds, so that there are several snapshots.
  let start = Infinity;
  await device.route(/\/v\d+\/recovery\?/, async (route) => {
    const first = firstSession(route.request().url());
    start = Math.min(start, first);
    await new Promise((resolve) => setTimeout(resolve, (READING_MS * (first - start)) / forged.history.sessions));
    await route.continue().catch(() => {});
  });
  const writes = await StoppingWorker.install(device);
  watch.keepWordsSecret(FORGED_WORDS.split(' '));
  let wallet = await WalletPage.open(device, watch);
  await wallet.tryToRecover(FORGED_WORDS, forged.invite);
  const isWhole = () => wallet.at('recovery-continue').or(wallet.at('page-home')).waitFor({ timeout: 90_000 });
  while (await Promise.race([writes.next(), isWhole().then(() => undefined, () => undefined)])) {
    expect(writes.written.length).toBeLessThan(MOST_WRITES);
    await wallet.kill();
    start = Infinity;
    wallet = await WalletPage.open(device, watch);
  }
  console.log(`  killed after writing ${writes.written.map((keys) => keys.length).join(', ')} records`);
  if (await wallet.at('recovery-continue').isVisible()) await wallet.openRecovered();
  await wallet.expectForged(forged.history);
  for (const module of MODULES) {
    const times = (key: string) => writes.written.filter((keys) => keys.includes(key)).length;
    expect(times(`recovery/running/${module}`)).toBeGreaterThan(1);
    expect(times(`recovery/finalized/${module}`)).toBe(1);
  }
});

test('one of four guardians stopped', async ({ newWallet, forged }) => {
  await forged.guardians.stopGuardian(3);
  try {
    await recoverForged(await newWallet(), forged);
  } finally {
    await forged.guardians.startGuardian(3);
  }
});

const faults: Record<Exclude<Fault, 'pass'>, string> = {
  corrupt: 'flips bits in everything',
  html: 'answers with web pages',
  huge: 'answers without end',
  hang: 'does not answer',
  busy: 'is always busy',
};

for (const [fault, says] of Object.entries(faults) as [Fault, string][]) {
  test(`one guardian ${says}`, async ({ newWallet, forged }) => {
    forged.proxy.fault = fault;
    try {
      await recoverForged(await newWallet(), forged);
      expect(forged.proxy.misbehaved).toBeGreaterThan(0);
    } finally {
      forged.proxy.reset();
    }
  });
}
