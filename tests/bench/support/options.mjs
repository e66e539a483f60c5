// How much the benches do: `npm run bench -- NAME-PREFIX --sessions 100000 --tx 4`.

import { parseArgs } from 'node:util';
import { Failure } from '../../../scripts/lib/failure.mjs';

const OPTIONS = {
  // Sessions of the forged history.
  sessions: 10_000,
  // Transactions in each of them; one has 5 inputs and 5 outputs.
  tx: 4,
  // Payments that are timed.
  payments: 20,
  // Wallets that pay at the same time when consensus is measured.
  clients: 64,
  // For how long consensus and the API are measured at a time.
  seconds: 8,
};

/** The options of this run, by name; `usual` says what a bench does by default instead of what all do. */
export function options(usual = {}) {
  const { values } = parseArgs({
    options: Object.fromEntries(Object.keys(OPTIONS).map((name) => [name, { type: 'string' }])),
    allowPositionals: true,
  });
  const read = ([name, otherwise]) => {
    const value = values[name] === undefined ? otherwise : Number(values[name]);
    if (!Number.isSafeInteger(value) || value < 1) throw new Failure(`--${name} takes a positive number`);
    return [name, value];
  };
  return Object.fromEntries(Object.entries({ ...OPTIONS, ...usual }).map(read));
}
