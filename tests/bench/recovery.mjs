// Recovery of a wallet from a long forged history, natively and in a browser, on the machine that runs the
// guardians too. Speeds are those of reading verified history, from the call to the last snapshot; completing
// the notes that were found comes after it and is told apart.
//
// How much of history is the wallet's own decides what its recovery takes, so two wallets are measured: `index` and
// `sessions` recover one that had to do with one in 5,000 transactions, as somebody's does who pays a few times a week in a
// federation with a million payments, and `busy` one that had to do with one in 200. `notes` recovers one that holds a
// thousand notes, and is about how long these take to be completed. Each result says how many operations the wallet had
// and how many notes it holds.
//
// The first two are measured on 100,000 sessions, which with ten transactions each are a million of them: what it takes to
// begin hardly shows then. Such histories take 8 GB of disk while they are measured; `--sessions` and `--tx` make others.

import { Failure } from '../../scripts/lib/failure.mjs';
import { at, targetDir } from '../../scripts/lib/paths.mjs';
import { capture, run as runProgram } from '../../scripts/lib/run.mjs';
import { WORDS, withForgedFederation } from './support/federation.mjs';
import { options } from './support/options.mjs';
import { withBrowser } from './support/page.mjs';
import { join } from 'node:path';

export const prefix = 'recovery';

/** By the recovery index, as a wallet does, or by whole sessions, as one with a module that needs them would. */
const KINDS = [
  { kind: 'index', form: 'index', every: 5_000, usual: { sessions: 100_000, tx: 10 } },
  { kind: 'sessions', form: 'sessions', every: 5_000, usual: { sessions: 100_000, tx: 4 } },
  { kind: 'busy', form: 'index', every: 200, usual: { sessions: 10_000, tx: 4 } },
  { kind: 'notes', form: 'index', every: 20, notes: 1_000, usual: { sessions: 2_000, tx: 4 } },
];

/** So many times each recovery is measured, in a browser on a device of its own each time. The one in the middle is told. */
const TIMES = 3;

export const needs = ['package', 'guardian', 'chromium'];

/**
 * Speeds, pairings (two for each signature that was checked), snapshots, their part of the time, and, in the browser, wasm
 * memory.
 */
export async function run({ wants }) {
  const ways = { native: recoverNatively, browser: recoverInBrowser };
  const wanted = (kind) => Object.keys(ways).filter((platform) => wants(`${prefix}.${kind}.${platform}`));
  const kinds = KINDS.filter(({ kind }) => wanted(kind).length > 0);
  if (kinds.some(({ kind }) => wanted(kind).includes('native'))) {
    await runProgram('cargo', ['build', '--release', '-p', 'rekindle-tests', '--bin', 'recover'], { label: 'compiling the native wallet' });
  }
  const results = {};
  for (const { kind, form, every, notes, usual } of kinds) {
    const { sessions, tx } = options(usual);
    await withForgedFederation({ sessions, tx, every, notes }, async (forged) => {
      for (const platform of wanted(kind)) {
        const { operations, unspent_notes } = forged.expected;
        const measured = { ...(await ways[platform](forged, form)), operations, notes: unspent_notes };
        for (const [measure, value] of Object.entries(measured)) results[`${prefix}.${kind}.${platform}.${measure}`] = value;
      }
    });
  }
  return results;
}

/** What the one in the middle gave of several recoveries, by the seconds that they took. */
async function middle(recover) {
  const all = [];
  for (let time = 0; time < TIMES; time += 1) all.push(await recover());
  return all.toSorted((a, b) => a.seconds - b.seconds)[(TIMES - 1) / 2];
}

const recoverNatively = ({ data, words }, form) =>
  middle(async () => {
    const { code, stdout, stderr } = await capture(join(targetDir, 'release', 'recover'), [form, data, words], { cwd: at() });
    if (code !== 0) throw new Failure(`the native recovery failed: ${stderr}`);
    return JSON.parse(stdout);
  });

const recoverInBrowser = ({ federation, expected }, form) =>
  withBrowser((newPage) =>
    middle(async () => {
      const page = await newPage();
      const wallet = { words: WORDS, invite: federation.invite, everySession: form === 'sessions' };
      const took = await page.evaluate(recoverOnPage, wallet);
      await page.close();
      check(took.found, expected);
      const seconds = took.readMs / 1000;
      return {
        sessions_per_s: expected.sessions / seconds,
        tx_per_s: expected.transactions / seconds,
        mb_per_s: took.bytes / 1e6 / seconds,
        bytes_per_tx: took.bytes / expected.transactions,
        pairings: 2 * took.signaturesVerified,
        snapshots: took.snapshots,
        snapshots_percent: (100 * took.snapshotMs) / took.readMs,
        seconds,
        finalize_s: took.finalizeMs / 1000,
        peak_wasm_bytes: took.wasmMemoryBytes,
      };
    }),
  );

/** Runs on the page. */
async function recoverOnPage({ words, invite, everySession }) {
  const { Wallet } = /** @type {typeof import('rekindle')} */ (globalThis.rekindle);
  const started = performance.now();
  let readAt;
  const wallet = await Wallet.recover({ words, invite, everySession });
  let progress;
  for await (progress of wallet.recoveryProgress()) {
    if (progress.state === 'finalizing' || progress.state === 'done') readAt ??= performance.now();
  }
  const ended = performance.now();
  if (progress.state !== 'done') throw new Error(`the recovery ended as ${progress.state}: ${progress.error?.message}`);
  const [balance, outstanding] = [await wallet.balance(), await wallet.outstanding()];
  let operations = 0;
  for (let before; ; ) {
    const page = await wallet.history({ limit: 1000, before });
    operations += page.length;
    if (page.length < 1000) break;
    before = page.at(-1).operationId;
  }
  const found = {
    balance_sats: Number(balance.spendableSats),
    unspent_notes: progress.found.notes,
    outstanding_tokens: outstanding.length,
    outstanding_sats: Number(balance.outstandingSats),
    operations,
  };
  const { wasmMemoryBytes, snapshotMs } = await wallet.diagnostics();
  await wallet.close();
  const { bytes, snapshots, signaturesVerified } = progress;
  return { readMs: readAt - started, finalizeMs: ended - readAt, bytes, snapshots, snapshotMs, signaturesVerified, wasmMemoryBytes, found };
}

function check(found, expected) {
  const wrong = Object.keys(found).filter((name) => found[name] !== expected[name]);
  if (wrong.length === 0) return;
  throw new Failure(`recovered ${wrong.map((name) => `${name} ${found[name]} instead of ${expected[name]}`).join(', ')}`);
}
