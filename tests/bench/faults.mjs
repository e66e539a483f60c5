// What a faulty guardian costs a recovery, in the simulation of the stream: the same on every machine.

import { Failure } from '../../scripts/lib/failure.mjs';
import { at } from '../../scripts/lib/paths.mjs';
import { capture } from '../../scripts/lib/run.mjs';

export const prefix = 'recovery.faults';
export const needs = [];

const TEST = 'one_faulty_guardian_of_four_slows_it_down_little';

/** How many times as long recovery takes when one of four guardians is silent, or lies. */
export async function run() {
  const { code, stdout, stderr } = await capture('cargo', ['test', '-p', 'rekindle-client', '--lib', TEST, '--', '--nocapture'], { cwd: at() });
  const found = [...stdout.matchAll(/^(recovery\.faults\.\S+) (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]);
  if (code !== 0 || found.length === 0) throw new Failure(`the simulation failed: ${stdout}${stderr}`);
  return Object.fromEntries(found);
}
