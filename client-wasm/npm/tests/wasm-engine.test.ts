import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import init, { WasmWallet, walletErase } from './fake-wasm.js';
import { rejection } from './support.js';

const lock = vi.hoisted(() => ({ held: [] as string[] }));
vi.mock('../src/lock.js', () => ({
  lockWallet: (name: string) => {
    lock.held.push(name);
    return Promise.resolve(() => lock.held.splice(lock.held.indexOf(name), 1));
  },
}));

const { loadWasmEngine } = await import('../src/wasm-engine.js');
const listener = { change: () => {}, recovery: () => {} };
const signal = new AbortController().signal;

beforeEach(() => {
  lock.held.length = 0;
});

afterEach(() => vi.clearAllMocks());

it('loads the wasm file from its own place, or from the one given', async () => {
  await loadWasmEngine(undefined);
  expect(init.mock.lastCall).toEqual([]);
  await loadWasmEngine('https://cdn/x.wasm');
  expect(init.mock.lastCall).toEqual([{ module_or_path: 'https://cdn/x.wasm' }]);
});

it('holds the lock of a wallet from opening to closing', async () => {
  WasmWallet.open.mockResolvedValue({
    close: () => {
      throw new Error('broken');
    },
  });
  const engine = await loadWasmEngine(undefined);
  const wallet = await engine.open('mine', listener, signal);
  expect(lock.held).toEqual(['mine']);
  await rejection(wallet.close({}, signal));
  expect(lock.held).toEqual([]);
});

it('frees the lock of a wallet that does not open', async () => {
  WasmWallet.recover.mockRejectedValue({ code: 'words_checksum' });
  const engine = await loadWasmEngine(undefined);
  expect(await rejection(engine.recover('mine', 'w', 'i', listener, signal))).toEqual({ code: 'words_checksum' });
  expect(lock.held).toEqual([]);
});

it('tells the size of the wasm memory', async () => {
  WasmWallet.open.mockResolvedValue({});
  const wallet = await (await loadWasmEngine(undefined)).open('mine', listener, signal);
  expect(await wallet.diagnostics({}, signal)).toEqual({ wasmMemoryBytes: 3 * 65_536 });
});

it('erases under the lock', async () => {
  const held: string[][] = [];
  walletErase.mockImplementation(async () => held.push([...lock.held]));
  const engine = await loadWasmEngine(undefined);
  await engine.erase('mine');
  expect(held).toEqual([['mine']]);
  expect(lock.held).toEqual([]);
});

it('spreads the arguments of every call', async () => {
  const calls: [string, unknown[]][] = [];
  const spy = new Proxy({}, {
    get: (_, name) => (name === 'then' ? undefined : (...values: unknown[]) => {
      calls.push([String(name), values]);
      return Promise.resolve(undefined);
    }),
  });
  WasmWallet.create.mockResolvedValue(spy);
  const wallet = await (await loadWasmEngine(undefined)).create('mine', listener, signal);
  await wallet.join({ invite: 'i' }, signal);
  await wallet.federation({}, signal);
  await wallet.balance({}, signal);
  await wallet.depositAddress({}, signal);
  await wallet.claimDeposits({}, signal);
  await wallet.send({ amountSats: 5n }, signal);
  await wallet.redeem({ token: 't' }, signal);
  await wallet.outstanding({}, signal);
  await wallet.reclaim({ operationId: 'o' }, signal);
  await wallet.history({ limit: 7, before: 'o' }, signal);
  await wallet.seedWords({}, signal);
  await wallet.recovery({}, signal);
  await wallet.steerRecovery({ how: 'cancel' }, signal);
  await wallet.close({}, signal);
  expect(calls).toEqual([
    ['join', ['i', signal]],
    ['federation', []],
    ['balance', []],
    ['depositAddress', []],
    ['claimDeposits', [signal]],
    ['send', [5n, signal]],
    ['redeem', ['t', signal]],
    ['outstanding', []],
    ['reclaim', ['o', signal]],
    ['history', [7, 'o']],
    ['seedWords', []],
    ['recovery', []],
    ['steerRecovery', ['cancel', signal]],
    ['close', []],
  ]);
});
