/** Several tabs of one wallet: each an engine wallet of its own, over the real BroadcastChannel of this process. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EngineWallet } from '../src/rpc/engine.js';
import { TabWallet } from '../src/tab-wallet.js';
import type { Notify } from '../src/wasm/rekindle_wasm.js';
import { FakeLocks } from './fake-locks.js';
import { WasmWallet, walletErase } from './fake-wasm.js';
import { rejection, step, untilAborted } from './support.js';

const signal = new AbortController().signal;
const balance = { spendableSats: 7n, pendingSats: 0n, outstandingSats: 0n };
const token = { operationId: 'o', amountSats: 5n, token: 'as good as cash', timeMs: 1 };
let tabs: Tab[];
let sealed: boolean;
/** Every wasm wallet that was opened, and whether it still is. */
let instances: { open: boolean; notify: Notify }[];

/** A tab with what its page heard. */
interface Tab {
  wallet: EngineWallet;
  heard: unknown[];
}

function wasmWallet(notify: Notify) {
  const instance = { open: true, notify };
  // One writer: this must never fail.
  expect(instances.filter(({ open }) => open)).toHaveLength(0);
  instances.push(instance);
  return {
    balance: () => balance,
    outstanding: () => [token],
    hasPassphrase: async () => sealed,
    claimDeposits: untilAborted,
    depositAddress: () => `address ${instances.length}`,
    close: () => void (instance.open = false),
  };
}

beforeEach(() => {
  vi.stubGlobal('navigator', { locks: new FakeLocks() });
  [tabs, instances, sealed] = [[], [], false];
  WasmWallet.open.mockImplementation(async (_name: string, passphrase: string | undefined, notify: Notify) => {
    if (sealed && passphrase === undefined) throw { code: 'wallet_locked', message: 'locked', retryable: false };
    if (sealed && passphrase !== 'right') throw { code: 'passphrase_wrong', message: 'wrong', retryable: false };
    return wasmWallet(notify);
  });
});

afterEach(async () => {
  for (const { wallet } of tabs) await wallet.call('close', {}, signal);
  vi.unstubAllGlobals();
  vi.resetAllMocks();
});

async function open(passphrase?: string): Promise<Tab> {
  const heard: unknown[] = [];
  const on = { change: () => heard.push('change'), recovery: (p: unknown) => heard.push(p), state: (s: string) => heard.push(s) };
  const tab = { wallet: await TabWallet.open('mine', passphrase, true, on, signal), heard };
  tabs.push(tab);
  return tab;
}

const state = ({ wallet }: Tab) => wallet.call('state', {}, signal);
const close = (tab: Tab) => tabs.splice(tabs.indexOf(tab), 1)[0]!.wallet.call('close', {}, signal);

describe('a second tab', () => {
  it('shows what the first one has, without its secrets', async () => {
    const one = await open();
    const two = await open();
    expect([await state(one), await state(two)]).toEqual(['open', 'following']);
    expect(await two.wallet.call('balance', {}, signal)).toEqual(balance);
    expect(await two.wallet.call('outstanding', {}, signal)).toEqual([{ ...token, token: undefined }]);
    expect(await rejection(two.wallet.call('seedWords', {}, signal))).toMatchObject({ code: 'wallet_in_use' });
    expect(await rejection(two.wallet.call('send', { amountSats: 1n }, signal))).toMatchObject({ code: 'wallet_in_use' });
    expect(await rejection(two.wallet.call('lock', {}, signal))).toMatchObject({ code: 'wallet_in_use' });
  });

  it('gets no secrets, whatever it asks for', async () => {
    await open();
    const answers: unknown[] = [];
    const channel = new BroadcastChannel('rekindle:mine');
    channel.onmessage = ({ data }) => answers.push(data);
    for (const method of ['depositAddress', 'balance']) {
      channel.postMessage({ type: 'ask', from: 'me', request: { type: 'call', id: 1, method, params: {} } });
    }
    await vi.waitFor(() => expect(answers).toHaveLength(2));
    channel.close();
    expect(answers).toContainEqual({ type: 'answer', to: 'me', response: { type: 'result', id: 1, value: balance } });
    expect(answers).toContainEqual({ type: 'answer', to: 'me', response: { type: 'error', id: 1, error: expect.objectContaining({ code: 'wallet_in_use' }) } });
  });

  it('hears what the first one reports', async () => {
    await open();
    const two = await open();
    two.heard.length = 0;
    instances[0]?.notify();
    instances[0]?.notify(step(5));
    await vi.waitFor(() => expect(two.heard).toEqual(['change', step(5)]));
  });

  it('has the wallet when the first one closes it', async () => {
    const one = await open();
    const two = await open();
    await close(one);
    await vi.waitFor(async () => expect(await state(two)).toBe('open'));
    expect(two.heard).toContain('open');
    expect(await two.wallet.call('depositAddress', {}, signal)).toBe('address 2');
  });

  it('takes the wallet over; the first one stops what is under way and follows', async () => {
    const one = await open();
    const claim = rejection(one.wallet.call('claimDeposits', {}, signal));
    const two = await open();
    await two.wallet.call('takeOver', {}, signal);
    expect(await claim).toMatchObject({ code: 'wallet_in_use', retryable: true });
    expect([await state(one), await state(two)]).toEqual(['following', 'open']);
    expect(await one.wallet.call('balance', {}, signal)).toEqual(balance);
    await two.wallet.call('takeOver', {}, signal);
  });

  it('takes over though a third one is before it', async () => {
    const [one, two, three] = [await open(), await open(), await open()];
    await three.wallet.call('takeOver', {}, signal);
    expect([await state(one), await state(two), await state(three)]).toEqual(['following', 'following', 'open']);
  });

  it('has its answer though the wallet moves meanwhile', async () => {
    const [one, two, three] = [await open(), await open(), await open()];
    const asked = Promise.all([two, three].flatMap(({ wallet }) => [wallet.call('balance', {}, signal), wallet.call('balance', {}, signal)]));
    await close(one);
    expect(await asked).toEqual([balance, balance, balance, balance]);
    await vi.waitFor(async () => expect(await state(two)).toBe('open'));
  });

  it('learns that the wallet was erased', async () => {
    const one = await open();
    const two = await open();
    walletErase.mockImplementation(async () => {
      WasmWallet.open.mockRejectedValue({ code: 'wallet_not_found', message: 'none', retryable: false });
    });
    await tabs.splice(tabs.indexOf(one), 1)[0]!.wallet.call('closeAndErase', {}, signal);
    expect(walletErase).toHaveBeenCalledWith('mine');
    await vi.waitFor(async () => expect(await rejection(two.wallet.call('balance', {}, signal))).toMatchObject({ code: 'wallet_not_found' }));
    expect(instances).toHaveLength(1);
  });

  it('says why it cannot open what it was left', async () => {
    const one = await open();
    const two = await open();
    WasmWallet.open.mockRejectedValue({ code: 'storage_gone', message: 'gone', retryable: false });
    await close(one);
    await vi.waitFor(async () => expect(await rejection(two.wallet.call('balance', {}, signal))).toMatchObject({ code: 'storage_gone' }));
    // It never had it, so nothing moved.
    expect(two.heard.filter((what) => what === 'following')).toHaveLength(1);
  });
});

describe('a wallet with a passphrase', () => {
  beforeEach(() => void (sealed = true));

  it('opens locked without it, and unlocks', async () => {
    const tab = await open();
    expect(tab.heard).toEqual(['locked']);
    expect(await rejection(tab.wallet.call('balance', {}, signal))).toMatchObject({ code: 'wallet_locked' });
    expect(await rejection(tab.wallet.call('unlock', { passphrase: 'wrong' }, signal))).toMatchObject({ code: 'passphrase_wrong' });
    const unlock = () => tab.wallet.call('unlock', { passphrase: 'right' }, signal);
    await Promise.all([unlock(), unlock()]);
    expect(instances).toHaveLength(1);
    expect(await tab.wallet.call('balance', {}, signal)).toEqual(balance);
  });

  it('locks, which ends what is under way', async () => {
    const tab = await open('right');
    const claim = rejection(tab.wallet.call('claimDeposits', {}, signal));
    await tab.wallet.call('lock', {}, signal);
    expect(await claim).toMatchObject({ code: 'wallet_locked' });
    expect(instances[0]?.open).toBe(false);
    expect(await state(tab)).toBe('locked');
    await tab.wallet.call('lock', {}, signal);
  });

  it('arrives locked in another tab', async () => {
    await open('right');
    const two = await open();
    expect(await two.wallet.call('balance', {}, signal)).toEqual(balance);
    await two.wallet.call('takeOver', {}, signal);
    expect(await state(two)).toBe('locked');
  });

  it('is locked for those that follow, too', async () => {
    const one = await open('right');
    const two = await open();
    await one.wallet.call('lock', {}, signal);
    expect(await rejection(two.wallet.call('balance', {}, signal))).toMatchObject({ code: 'wallet_locked' });
  });
});

it('without a passphrase does not lock', async () => {
  const tab = await open();
  expect(await rejection(tab.wallet.call('lock', {}, signal))).toMatchObject({ code: 'passphrase_missing' });
  expect(await state(tab)).toBe('open');
});
