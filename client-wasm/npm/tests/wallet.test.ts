import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RekindleError, Wallet, isRekindleError } from '../src/index.js';
import type { Balance, FederationInfo } from '../src/index.js';
import type { EngineCalls } from '../src/rpc/messages.js';
import { FakeWorkers } from './fake-worker.js';
import { deferred, engineWallet, engineWith, rejection, untilAborted } from './support.js';

let workers: FakeWorkers;
/** Wallets share a worker per URL; a URL per test keeps tests apart. */
let workerUrl: string;
let testNumber = 0;

beforeEach(() => {
  workers = new FakeWorkers();
  vi.stubGlobal('Worker', workers.workerClass());
  workerUrl = `https://test/${testNumber++}/worker.js`;
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('calls', () => {
  it('carry their arguments and results, bigint included', async () => {
    const send = vi.fn(({ amountSats }: { amountSats: bigint }) =>
      Promise.resolve({ token: 'a token', amountSats, operationId: 'op1' }));
    workers.use(engineWith(engineWallet({ send })).engine);
    const wallet = await Wallet.create({ workerUrl });
    const big = 2n ** 63n + 1n;
    expect(await wallet.send({ amountSats: big })).toEqual({ token: 'a token', amountSats: big, operationId: 'op1' });
    expect(send.mock.calls[0]?.[0]).toEqual({ amountSats: big });
  });

  it('may overlap and be answered in any order', async () => {
    const first = deferred<Balance>();
    const wallet = await openWith({
      balance: () => first.promise,
      depositAddress: () => Promise.resolve('address'),
    });
    const balance = wallet.balance();
    expect(await wallet.depositAddress()).toBe('address');
    first.resolve({ spendableSats: 1n, pendingSats: 2n, outstandingSats: 3n });
    expect(await balance).toEqual({ spendableSats: 1n, pendingSats: 2n, outstandingSats: 3n });
  });

  it('normalise words and trim pasted text', async () => {
    const recover = vi.fn((_params: EngineCalls['recover']['params']) => Promise.resolve(engineWallet()));
    workers.use({ recover });
    await Wallet.recover({ workerUrl, words: ['  Abandon ', 'ABOUT'], invite: ' rk1abc\n' });
    expect(recover.mock.calls[0]?.[0]).toEqual({ name: 'default', words: 'abandon about', invite: 'rk1abc' });
  });

  it.each([
    ['amount_invalid', (wallet: Wallet) => wallet.send({ amountSats: 0n })],
    ['amount_invalid', (wallet: Wallet) => wallet.send({ amountSats: -1n })],
    ['amount_invalid', (wallet: Wallet) => wallet.send({ amountSats: 5 as unknown as bigint })],
    ['amount_too_large', (wallet: Wallet) => wallet.send({ amountSats: 2n ** 64n })],
    ['argument_invalid', (wallet: Wallet) => wallet.redeem({ token: 5 as unknown as string })],
    ['argument_invalid', (wallet: Wallet) => wallet.join(undefined as unknown as { invite: string })],
    ['argument_invalid', (wallet: Wallet) => wallet.history({ limit: 0 })],
    ['argument_invalid', (wallet: Wallet) => wallet.history({ limit: 1.5 })],
    ['argument_invalid', (wallet: Wallet) => wallet.history({ before: (() => {}) as unknown as string })],
  ])('reject bad arguments with %s', async (code, call) => {
    const wallet = await openWith({});
    expect(await rejection(call(wallet))).toMatchObject({ name: 'RekindleError', code });
  });

  it.each(['', 'a b', 'ä', 'x'.repeat(65), '../etc'])('reject the name %j', async (name) => {
    expect(await rejection(Wallet.create({ name, workerUrl }))).toMatchObject({ code: 'name_invalid' });
    expect(workers.started).toHaveLength(0);
  });
});

describe('errors', () => {
  it('keep code, message and whether to retry', async () => {
    const wallet = await openWith({
      redeem: () => Promise.reject({ code: 'token_spent', message: 'Already redeemed.', retryable: false }),
      join: () => Promise.reject({ code: 'federation_unreachable', message: 'No answer.', retryable: true }),
    });
    const spent = await rejection(wallet.redeem({ token: 't' }));
    expect(spent).toBeInstanceOf(RekindleError);
    expect(isRekindleError(spent)).toBe(true);
    expect(spent).toMatchObject({ code: 'token_spent', message: 'Already redeemed.', retryable: false });
    expect(await rejection(wallet.join({ invite: 'i' }))).toMatchObject({ code: 'federation_unreachable', retryable: true });
  });

  it('that have no known code become internal ones', async () => {
    const wallet = await openWith({
      balance: () => Promise.reject(new TypeError('x is not a function')),
      history: () => Promise.reject({ code: 'no_such_code', message: 'secret' }),
    });
    expect(await rejection(wallet.balance())).toMatchObject({ code: 'internal', message: expect.stringContaining('TypeError') });
    const unknown = await rejection(wallet.history());
    expect(unknown).toMatchObject({ code: 'internal' });
    expect((unknown as Error).message).not.toContain('secret');
  });

  it('are recognised from another copy of the package', () => {
    const foreign = Object.defineProperty(new Error('x'), Symbol.for('rekindle.error'), { value: true });
    expect(isRekindleError(foreign)).toBe(true);
    expect(isRekindleError(new Error('x'))).toBe(false);
    expect(isRekindleError(undefined)).toBe(false);
  });

  it('of a wasm file that does not load are tried again with the next call', async () => {
    workers.load = () => Promise.reject(new Error('404'));
    expect(await rejection(Wallet.exists({ workerUrl }))).toMatchObject({ code: 'worker_failed', retryable: true });
    workers.use({ exists: () => Promise.resolve(true) });
    expect(await Wallet.exists({ workerUrl })).toBe(true);
  });

  it('say so where there are no workers', async () => {
    vi.stubGlobal('Worker', undefined);
    expect(await rejection(Wallet.open({ workerUrl }))).toMatchObject({ code: 'worker_failed' });
  });
});

describe('aborting', () => {
  it('rejects at once and drops the work', async () => {
    const dropped = deferred<boolean>();
    const wallet = await openWith({
      claimDeposits: (_, signal) => {
        signal.addEventListener('abort', () => dropped.resolve(true));
        return untilAborted(signal);
      },
    });
    const controller = new AbortController();
    const claim = rejection(wallet.claimDeposits({ signal: controller.signal }));
    controller.abort('enough');
    expect(await claim).toMatchObject({ code: 'aborted', cause: 'enough' });
    expect(await dropped.promise).toBe(true);
  });

  it('before the call makes none', async () => {
    const balance = vi.fn();
    const wallet = await openWith({ balance });
    expect(await rejection(wallet.balance({ signal: AbortSignal.abort() }))).toMatchObject({ code: 'aborted' });
    await wallet.close();
    expect(balance).not.toHaveBeenCalled();
  });

  it('one call leaves its neighbours alone', async () => {
    const answer = deferred<string>();
    const wallet = await openWith({
      claimDeposits: (_, signal) => untilAborted(signal),
      depositAddress: () => answer.promise,
    });
    const controller = new AbortController();
    const address = wallet.depositAddress();
    const claim = rejection(wallet.claimDeposits({ signal: controller.signal }));
    controller.abort();
    await claim;
    answer.resolve('address');
    expect(await address).toBe('address');
  });

  it('while opening closes the wallet that opens nevertheless', async () => {
    const closed = deferred<boolean>();
    const opening = deferred<void>();
    const opened = deferred<ReturnType<typeof engineWallet>>();
    workers.use({
      open: () => {
        opening.resolve();
        return opened.promise;
      },
    });
    const controller = new AbortController();
    const open = rejection(Wallet.open({ workerUrl, signal: controller.signal }));
    await opening.promise;
    controller.abort();
    expect(await open).toMatchObject({ code: 'aborted' });
    opened.resolve(engineWallet({
      close: () => {
        closed.resolve(true);
        return Promise.resolve(undefined);
      },
    }));
    expect(await closed.promise).toBe(true);
  });
});

describe('closing', () => {
  it('happens once, and later calls say so', async () => {
    const close = vi.fn(() => Promise.resolve(undefined));
    const wallet = await openWith({ close });
    await Promise.all([wallet.close(), wallet.close()]);
    expect(close).toHaveBeenCalledTimes(1);
    expect(await rejection(wallet.balance())).toMatchObject({ code: 'wallet_closed' });
  });

  it('first stops what is under way', async () => {
    const order: string[] = [];
    const wallet = await openWith({
      claimDeposits: (_, signal) =>
        untilAborted(signal).catch((error) => {
          order.push('stopped');
          throw error;
        }),
      close: () => {
        order.push('closed');
        return Promise.resolve(undefined);
      },
    });
    const claim = rejection(wallet.claimDeposits());
    await wallet.close();
    expect(await claim).toMatchObject({ code: 'aborted' });
    expect(order).toEqual(['stopped', 'closed']);
  });

  it('ends the worker a moment after the last wallet', async () => {
    workers.use(engineWith(engineWallet()).engine);
    const one = await Wallet.open({ workerUrl, name: 'one' });
    const two = await Wallet.open({ workerUrl, name: 'two' });
    expect(workers.started).toHaveLength(1);
    await one.close();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const closing = two.close();
    await vi.waitFor(() => closing);
    vi.advanceTimersByTime(1_000);
    expect(workers.started[0]?.terminated).toBe(false);
    vi.advanceTimersByTime(5_000);
    expect(workers.started[0]?.terminated).toBe(true);
  });

  it('is what `await using` does', async () => {
    const close = vi.fn(() => Promise.resolve(undefined));
    const wallet = await openWith({ close });
    await wallet[Symbol.asyncDispose]();
    expect(close).toHaveBeenCalledTimes(1);
  });

  it('can be aborted before it begins, and only waited for no longer after', async () => {
    const { promise, resolve } = deferred<undefined>();
    const close = vi.fn(() => promise);
    const wallet = await openWith({ close, depositAddress: () => Promise.resolve('address') });
    expect(await rejection(wallet.close({ signal: AbortSignal.abort() }))).toMatchObject({ code: 'aborted' });
    expect(await wallet.depositAddress()).toBe('address');
    expect(close).not.toHaveBeenCalled();
    const controller = new AbortController();
    const [closing, other] = [rejection(wallet.close({ signal: controller.signal })), wallet.close()];
    await vi.waitFor(() => expect(close).toHaveBeenCalledTimes(1));
    controller.abort();
    expect(await closing).toMatchObject({ code: 'aborted' });
    expect(await rejection(wallet.balance())).toMatchObject({ code: 'wallet_closed' });
    resolve(undefined);
    await other;
    expect(close).toHaveBeenCalledTimes(1);
  });

  it('and erasing are one step, after which it is closed', async () => {
    const closeAndErase = vi.fn(() => Promise.resolve(undefined));
    const wallet = await openWith({ closeAndErase });
    await wallet.erase();
    expect(closeAndErase).toHaveBeenCalledTimes(1);
    expect(await rejection(wallet.balance())).toMatchObject({ code: 'wallet_closed' });
    expect(await rejection(wallet.erase())).toMatchObject({ code: 'wallet_closed' });
  });

  it('can be aborted before it erases, and only waited for no longer after', async () => {
    const { promise, resolve } = deferred<undefined>();
    const closeAndErase = vi.fn(() => promise);
    const wallet = await openWith({ closeAndErase, depositAddress: () => Promise.resolve('address') });
    expect(await rejection(wallet.erase({ signal: AbortSignal.abort() }))).toMatchObject({ code: 'aborted' });
    expect(await wallet.depositAddress()).toBe('address');
    expect(closeAndErase).not.toHaveBeenCalled();
    const controller = new AbortController();
    const erasing = rejection(wallet.erase({ signal: controller.signal }));
    await vi.waitFor(() => expect(closeAndErase).toHaveBeenCalledTimes(1));
    controller.abort();
    expect(await erasing).toMatchObject({ code: 'aborted' });
    resolve(undefined);
    await wallet.close();
  });
});

describe('a worker that dies', () => {
  it('fails what waits, and the next call has another one', async () => {
    const wallet = await openWith({ balance: () => new Promise(() => {}), depositAddress: () => Promise.resolve('address') });
    const heard = vi.fn();
    wallet.on('change', heard);
    const waiting = rejection(wallet.balance());
    workers.started[0]?.onerror?.({ message: 'unreachable' });
    expect(await waiting).toMatchObject({ code: 'crashed', retryable: false });
    expect(heard).toHaveBeenCalledTimes(1);
    expect(await Promise.all([wallet.depositAddress(), wallet.depositAddress()])).toEqual(['address', 'address']);
    expect(workers.started).toHaveLength(2);
  });

  it('leaves listeners with what the next one reports', async () => {
    const { engine, seen } = engineWith(engineWallet({ state: () => Promise.resolve('locked') }));
    workers.use(engine);
    const wallet = await Wallet.open({ workerUrl });
    const heard = vi.fn();
    wallet.on('state', heard);
    workers.started[0]?.onerror?.({ message: 'unreachable' });
    expect(await wallet.state()).toBe('locked');
    seen.listener?.state('locked');
    await vi.waitFor(() => expect(heard).toHaveBeenCalledWith('locked'));
  });

  it('has closed the wallet', async () => {
    const wallet = await openWith({});
    workers.started[0]?.onerror?.({ message: 'unreachable' });
    await wallet.close();
    expect(await rejection(wallet.balance())).toMatchObject({ code: 'wallet_closed' });
    expect(workers.started).toHaveLength(1);
  });

  it('of a wasm trap is reported as a crash', async () => {
    const wallet = await openWith({ balance: () => Promise.reject(new WebAssembly.RuntimeError('unreachable')) });
    expect(await rejection(wallet.balance())).toMatchObject({ code: 'crashed' });
    expect(workers.started[0]?.terminated).toBe(true);
  });

  it('before it ever spoke could not be loaded', async () => {
    workers.load = () => new Promise(() => {});
    const opening = rejection(Wallet.open({ workerUrl }));
    workers.started[0]?.onerror?.({ message: 'Failed to fetch' });
    expect(await opening).toMatchObject({ code: 'worker_failed', cause: 'Failed to fetch' });
  });
});

describe('a page', () => {
  it('that is hidden has its wallets save what they have', async () => {
    const page = Object.assign(new EventTarget(), { visibilityState: 'visible' });
    vi.stubGlobal('document', page);
    vi.stubGlobal('addEventListener', () => {});
    const save = vi.fn();
    workers.use(engineWith(engineWallet({}, save)).engine);
    const wallet = await Wallet.open({ workerUrl });
    page.dispatchEvent(new Event('visibilitychange'));
    page.visibilityState = 'hidden';
    page.dispatchEvent(new Event('visibilitychange'));
    await vi.waitFor(() => expect(save).toHaveBeenCalledTimes(1));
    await wallet.close();
  });

  it('learns what the browser promises of its storage', async () => {
    const storage = { persist: vi.fn(async () => true), persisted: async () => true, estimate: async () => ({ usage: 5, quota: 9 }) };
    vi.stubGlobal('navigator', { storage });
    const wallet = await openWith({ join: () => Promise.resolve({} as FederationInfo) });
    expect(storage.persist).not.toHaveBeenCalled();
    await wallet.join({ invite: 'i' });
    expect(storage.persist).toHaveBeenCalledTimes(1);
    expect(await wallet.storage()).toEqual({ persistent: true, usageBytes: 5, quotaBytes: 9 });
    vi.stubGlobal('navigator', {});
    expect(await wallet.storage()).toEqual({ persistent: false });
    vi.stubGlobal('navigator', { storage: { persisted: () => new Promise(() => {}) } });
    const controller = new AbortController();
    const asking = rejection(wallet.storage({ signal: controller.signal }));
    controller.abort('enough');
    expect(await asking).toMatchObject({ code: 'aborted', cause: 'enough' });
    expect(await rejection(wallet.storage({ signal: controller.signal }))).toMatchObject({ code: 'aborted' });
  });
});

describe('passphrases', () => {
  it('reach the worker in one Unicode form, and are never empty', async () => {
    const unlock = vi.fn((_params: { passphrase?: string | undefined }) => Promise.resolve(undefined));
    const wallet = await openWith({ unlock });
    await wallet.unlock({ passphrase: 'cafe\u0301' });
    expect(unlock.mock.calls[0]?.[0]).toEqual({ passphrase: 'caf\u00e9' });
    expect(await rejection(wallet.unlock({ passphrase: '' }))).toMatchObject({ code: 'argument_invalid' });
    expect(await rejection(Wallet.create({ workerUrl, passphrase: '' }))).toMatchObject({ code: 'argument_invalid' });
    expect(await rejection(wallet.unlock({} as { passphrase: string }))).toMatchObject({ code: 'argument_invalid' });
  });
});

describe('secrets', () => {
  it('leave the worker only when asked for by name', async () => {
    const words = 'abandon ability able about above absent absorb abstract absurd abuse access accident'.split(' ');
    const wallet = await openWith({
      seedWords: () => Promise.resolve(words),
      balance: () => Promise.resolve({ spendableSats: 1n, pendingSats: 0n, outstandingSats: 0n }),
    });
    await wallet.balance();
    expect(JSON.stringify(workers.started[0]?.sent, bigints)).not.toContain('ability');
    expect(await wallet.seedWords()).toEqual(words);
  });
});

it('starts the worker as a module from beside the package unless told otherwise', async () => {
  workers.use({ exists: () => Promise.resolve(false) });
  await Wallet.exists();
  expect(workers.started[0]).toMatchObject({ options: { type: 'module' }, url: expect.stringMatching(/\/worker\.js$/) });
  const seen: unknown[] = [];
  workers.load = (wasmUrl) => {
    seen.push(wasmUrl);
    return Promise.reject(new Error('enough'));
  };
  await rejection(Wallet.exists({ workerUrl, wasmUrl: new URL('https://test/x.wasm') }));
  expect(workers.started[1]?.url).toBe(workerUrl);
  expect(seen).toEqual(['https://test/x.wasm']);
});

async function openWith(calls: Parameters<typeof engineWallet>[0]): Promise<Wallet> {
  workers.use(engineWith(engineWallet(calls)).engine);
  return Wallet.open({ workerUrl });
}

function bigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
