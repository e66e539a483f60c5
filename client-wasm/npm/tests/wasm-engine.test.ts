import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FakeLocks } from './fake-locks.js';
import { WasmWallet, initSync, walletErase } from './fake-wasm.js';
import { rejection } from './support.js';
import { loadWasmEngine } from '../src/wasm-engine.js';

const listener = { change: () => {}, recovery: () => {}, state: () => {} };
const signal = new AbortController().signal;
let locks: FakeLocks;

/** The smallest wasm module there is. */
const emptyModule = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
const fetched = vi.fn(async (_url: string | URL) => served('application/wasm'));
const served = (type: string, status = 200) => new Response(emptyModule, { status, headers: { 'content-type': type } });

beforeEach(() => {
  locks = new FakeLocks();
  vi.stubGlobal('navigator', { locks });
  vi.stubGlobal('fetch', fetched);
});

afterEach(() => {
  vi.clearAllMocks();
  vi.unstubAllGlobals();
});

/** Whether the lock of the wallet can be had at once. */
async function isFree(name: string): Promise<boolean> {
  let free = false;
  void locks.request(`rekindle:${name}`, {}, async () => void (free = true));
  await new Promise(setImmediate);
  return free;
}

it('loads the wasm file from its own place, or from the one given', async () => {
  await loadWasmEngine(undefined);
  expect(String(fetched.mock.lastCall)).toMatch(/rekindle_wasm_bg\.wasm$/);
  await loadWasmEngine('https://cdn/x.wasm');
  expect(fetched.mock.lastCall).toEqual(['https://cdn/x.wasm']);
  expect(initSync.mock.lastCall).toEqual([{ module: expect.any(WebAssembly.Module) }]);
});

it('takes the wasm file from a server that does not know its type, but nothing else in its place', async () => {
  fetched.mockResolvedValueOnce(served('application/octet-stream'));
  await loadWasmEngine(undefined);
  expect(initSync.mock.lastCall).toEqual([{ module: expect.any(WebAssembly.Module) }]);
  initSync.mockClear();
  fetched.mockResolvedValueOnce(served('application/wasm', 404));
  await expect(loadWasmEngine(undefined)).rejects.toThrow('HTTP status 404');
  fetched.mockResolvedValueOnce(new Response('<!doctype html>'));
  await expect(loadWasmEngine(undefined)).rejects.toThrow(WebAssembly.CompileError);
  expect(initSync).not.toHaveBeenCalled();
});

it('holds the lock of a wallet from opening to closing', async () => {
  WasmWallet.open.mockResolvedValue({
    close: () => {
      throw new Error('broken');
    },
  });
  const engine = await loadWasmEngine(undefined);
  const wallet = await engine.open({ name: 'mine' }, listener, signal);
  expect(await isFree('mine')).toBe(false);
  await rejection(wallet.call('close', {}, signal));
  expect(await isFree('mine')).toBe(true);
});

it('frees the lock of a wallet that does not open', async () => {
  WasmWallet.recover.mockRejectedValue({ code: 'words_checksum' });
  const engine = await loadWasmEngine(undefined);
  const params = { name: 'mine', words: 'w', invite: 'i' };
  expect(await rejection(engine.recover(params, listener, signal))).toEqual({ code: 'words_checksum' });
  expect(await isFree('mine')).toBe(true);
});

it('erases under the lock', async () => {
  const free: boolean[] = [];
  walletErase.mockImplementation(async () => free.push(await isFree('mine')));
  const engine = await loadWasmEngine(undefined);
  await engine.erase('mine');
  expect(free).toEqual([false]);
  expect(await isFree('mine')).toBe(true);
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
  const wallet = await (await loadWasmEngine(undefined)).create({ name: 'mine' }, listener, signal);
  await wallet.call('join', { invite: 'i' }, signal);
  await wallet.call('federation', {}, signal);
  await wallet.call('balance', {}, signal);
  await wallet.call('depositAddress', {}, signal);
  await wallet.call('claimDeposits', {}, signal);
  await wallet.call('send', { amountSats: 5n }, signal);
  await wallet.call('redeem', { token: 't' }, signal);
  await wallet.call('outstanding', {}, signal);
  await wallet.call('reclaim', { operationId: 'o' }, signal);
  await wallet.call('history', { limit: 7, before: 'o' }, signal);
  await wallet.call('seedWords', {}, signal);
  await wallet.call('recovery', {}, signal);
  await wallet.call('backedUpAt', {}, signal);
  await wallet.call('knownFederations', {}, signal);
  await wallet.call('rememberFederation', { invite: 'i' }, signal);
  await wallet.call('diagnostics', {}, signal);
  await wallet.call('steerRecovery', { how: 'cancel' }, signal);
  await wallet.call('hasPassphrase', {}, signal);
  await wallet.call('changePassphrase', { next: 'n' }, signal);
  wallet.saveSoon();
  await wallet.call('close', {}, signal);
  const any = expect.any(AbortSignal);
  expect(calls).toEqual([
    ['join', ['i', any]],
    ['federation', []],
    ['balance', []],
    ['depositAddress', []],
    ['claimDeposits', [any]],
    ['send', [5n, any]],
    ['redeem', ['t', any]],
    ['outstanding', []],
    ['reclaim', ['o', any]],
    ['history', [7, 'o']],
    ['seedWords', []],
    ['recovery', []],
    ['backedUpAt', []],
    ['knownFederations', []],
    ['rememberFederation', ['i', any]],
    ['diagnostics', []],
    ['steerRecovery', ['cancel', any]],
    ['hasPassphrase', [any]],
    ['changePassphrase', [undefined, 'n', any]],
    ['saveSoon', []],
    ['close', []],
  ]);
});
