// Federations to measure on, each on data of its own that is deleted afterwards.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startFederation } from '../../../scripts/lib/federation.mjs';
import { guardianBinary } from '../../../scripts/lib/paths.mjs';
import { run } from '../../../scripts/lib/run.mjs';

/** The words of the wallet that lives in forged histories. They guard nothing. */
export const WORDS = 'legal winner thank year wave sausage worth useful legal winner thank yellow';

/** Calls `use` with a fresh folder. */
export async function inFolder(use) {
  const folder = mkdtempSync(join(tmpdir(), 'rekindle-bench-'));
  try {
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function withFederation(data, use, guardians = 4) {
  // Recoveries are measured from the beginning of history.
  const federation = await startFederation({ data, guardians, args: ['--port', '0', '--backup-mib', '0'] });
  try {
    return await use(federation);
  } finally {
    await federation.stop();
  }
}

/** Calls `use` with a running federation that has just been dealt, and its data folder. */
export const withFreshFederation = (use, guardians = 4) => inFolder((data) => withFederation(data, (federation) => use(federation, data), guardians));

/**
 * Calls `use` with the data folder of 4 guardians that have a forged history, the file with the words of the
 * wallet in it, and what that wallet must find. One in `every` transactions has to do with it, and in the end it holds about so
 * many `notes`.
 */
export function withForgedHistory({ sessions, tx, every = 200, notes = 50 }, use) {
  return inFolder(async (folder) => {
    const [words, data] = [join(folder, 'words'), join(folder, 'data')];
    writeFileSync(words, WORDS);
    const wallet = ['--wallet', words, '--wallet-every', String(every), '--wallet-notes', String(notes)];
    await run(guardianBinary, ['forge', '--sessions', String(sessions), '--tx-per-session', String(tx), ...wallet, '--data', data], { label: 'forging history' });
    const expected = JSON.parse(readFileSync(join(data, 'forge.json'), 'utf8'));
    return use({ data, words, expected });
  });
}

/** The same with the federation running, as `federation`. */
export const withForgedFederation = (sizes, use) =>
  withForgedHistory(sizes, (forged) => withFederation(forged.data, (federation) => use({ ...forged, federation })));
