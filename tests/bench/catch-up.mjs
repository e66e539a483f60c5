// A guardian that comes back with an empty database: downloading, verifying and executing all of signed history.

import { join } from 'node:path';
import { Failure } from '../../scripts/lib/failure.mjs';
import { at, targetDir } from '../../scripts/lib/paths.mjs';
import { capture, run as runProgram } from '../../scripts/lib/run.mjs';
import { withForgedHistory } from './support/federation.mjs';
import { options } from './support/options.mjs';

export const prefix = 'catchup';
export const needs = ['guardian'];

/** A history so long that what is written to a large database counts. */
const SESSIONS = 100_000;

/** Sessions and megabytes per second, from the start of the guardian to its last signed session. */
export async function run() {
  const { sessions, tx } = options({ sessions: SESSIONS });
  await runProgram('cargo', ['build', '--release', '-p', 'rekindle-tests', '--bin', 'catch_up'], { label: 'compiling the guardians' });
  return withForgedHistory({ sessions, tx }, async ({ data }) => {
    const { code, stdout, stderr } = await capture(join(targetDir, 'release', 'catch_up'), [data], { cwd: at() });
    if (code !== 0) throw new Failure(`the guardian did not come back: ${stderr}`);
    return Object.fromEntries(Object.entries(JSON.parse(stdout)).map(([name, value]) => [`${prefix}.${name}`, value]));
  });
}
