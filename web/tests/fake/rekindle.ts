/**
 * The package `rekindle` as the app sees it in `vite --mode fake`: the real proxy and the real
 * conversation between page and worker, with a simulated engine instead of wasm, and a simulated
 * development server and faucet.
 */

import { FakeWorkers } from '../../../client-wasm/npm/tests/fake-worker';
import { fakeEngine, fakeInvite } from './engine';
import { changeWorld } from './ledger';

const workers = new FakeWorkers();
workers.use(fakeEngine);
globalThis.Worker = workers.workerClass();

const realFetch = globalThis.fetch;
globalThis.fetch = async (input, init) => {
  const path = String(input);
  if (path === '/dev-federation.json') return Response.json({ invite: fakeInvite, guardians: [], faucet: '/faucet' });
  if (path === '/faucet') {
    const { address, amount_sats: amount } = JSON.parse(String(init?.body)) as { address: string; amount_sats: number };
    changeWorld((world) => (world.credits[address] = String(amount)));
    return Response.json({});
  }
  return realFetch(input, init);
};

export * from '../../../client-wasm/npm/dist/index.js';
