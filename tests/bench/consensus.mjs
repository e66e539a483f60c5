// What ordering payments costs: many wallets pay a federation of some guardians, all on this machine. A payment
// turns two notes into two and goes to f+1 guardians; it counts when the first of them says that it is accepted.
// `engine_share` is the part of all processor time that the consensus engine and signatures take.

import { Failure } from '../../scripts/lib/failure.mjs';
import { targetDir } from '../../scripts/lib/paths.mjs';
import { capture, run as runProgram } from '../../scripts/lib/run.mjs';
import { join } from 'node:path';
import { withFreshFederation } from './support/federation.mjs';
import { options } from './support/options.mjs';

export const prefix = 'consensus';
export const needs = ['guardian'];

const SIZES = [4, 7, 10, 16];
/** No federation on one machine accepts more each second, divided by its guardians. */
const MOST_PER_SECOND = 4_000;

/** For each size: payments per second, their latency, processor time, and what an idle federation takes. */
export async function run({ wants }) {
  await runProgram('cargo', ['build', '--release', '-p', 'rekindle-tests', '--bin', 'load'], { label: 'compiling the paying wallets' });
  const results = {};
  for (const guardians of SIZES.filter((size) => wants(`${prefix}.n${size}`))) {
    const took = await withFreshFederation((_, data) => measure(data, guardians), guardians);
    for (const [name, value] of Object.entries(took)) results[`${prefix}.n${guardians}.${name}`] = value;
  }
  return results;
}

async function measure(data, guardians) {
  const { clients, seconds } = options();
  const payments = Math.ceil((MOST_PER_SECOND / guardians) * (seconds + 3));
  const { code, stdout, stderr } = await capture(join(targetDir, 'release', 'load'), [data, clients, payments, seconds].map(String));
  if (code !== 0) throw new Failure(`the load on ${guardians} guardians failed: ${stderr}`);
  return JSON.parse(stdout);
}
