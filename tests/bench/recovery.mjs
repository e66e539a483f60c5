// Recovery of a wallet from a long forged history, natively and in a browser, on the machine that runs the
// guardians too. Speeds are those of reading verified history, from the call to the last snapshot; completing
// the notes that were found comes after it and is told apart.

import { Failure } from '../../scripts/lib/failure.mjs';
import { at, targetDir } from '../../scripts/lib/paths.mjs';
import { capture, run as runProgram } from '../../scripts/lib/run.mjs';
import { WORDS, withForgedFederation } from './support/federation.mjs';
import { options } from './support/options.mjs';
import { withBrowser } from './support/page.mjs';
import { join } from 'node:path';

export const prefix = 'recovery';

/** By the recovery index, as a wallet does, and by whole sessions, as one with a module that needs them would. */
const FORMS = ['index', 'sessions'];

export const needs = ['package', 'guardian', 'chromium'];

/** Speeds, pairings (two for each signature that was checked), snapshots and, in the browser, wasm memory. */
export async function run({ wants }) {
  const { sessions, tx } = options();
  const wanted = FORMS.flatMap((form) =>
    [
      { platform: 'native', recover: recoverNatively },
      { platform: 'browser', recover: recoverInBrowser },
    ].map((way) => ({ ...way, form, name: `${prefix}.${form}.${way.platform}` })),
  ).filter(({ name }) => wants(name));
  if (wanted.length === 0) return {};
  if (wanted.some(({ platform }) => platform === 'native')) {
    await runProgram('cargo', ['build', '--release', '-p', 'rekindle-tests', '--bin', 'recover'], { label: 'compiling the native wallet' });
  }
  return withForgedFederation({ sessions, tx }, async (forged) => {
    const results = {};
    for (const { name, form, recover } of wanted) {
      for (const [measure, value] of Object.entries(await recover(forged, form))) results[`${name}.${measure}`] = value;
    }
    return results;
  });
}

async function recoverNatively({ data, words }, form) {
  const { code, stdout, stderr } = await capture(join(targetDir, 'release', 'recover'), [form, data, words], { cwd: at() });
  if (code !== 0) throw new Failure(`the native recovery failed: ${stderr}`);
  return JSON.parse(stdout);
}

async function recoverInBrowser({ federation, expected }, form) {
  const took = await withBrowser(async (newPage) => {
    const page = await newPage();
    return page.evaluate(recoverOnPage, { words: WORDS, invite: federation.invite, everySession: form === 'sessions' });
  });
  check(took.found, expected);
  const seconds = took.readMs / 1000;
  return {
    sessions_per_s: expected.sessions / seconds,
    tx_per_s: expected.transactions / seconds,
    mb_per_s: took.bytes / 1e6 / seconds,
    bytes_per_tx: took.bytes / expected.transactions,
    pairings: 2 * took.signaturesVerified,
    snapshots: took.snapshots,
    seconds,
    finalize_s: took.finalizeMs / 1000,
    peak_wasm_bytes: took.wasmMemoryBytes,
  };
}

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
  const { wasmMemoryBytes } = await wallet.diagnostics();
  await wallet.close();
  const { bytes, snapshots, signaturesVerified } = progress;
  return { readMs: readAt - started, finalizeMs: ended - readAt, bytes, snapshots, signaturesVerified, wasmMemoryBytes, found };
}

function check(found, expected) {
  const wrong = Object.keys(found).filter((name) => found[name] !== expected[name]);
  if (wrong.length === 0) return;
  throw new Failure(`recovered ${wrong.map((name) => `${name} ${found[name]} instead of ${expected[name]}`).join(', ')}`);
}
