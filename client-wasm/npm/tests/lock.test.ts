import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { lockWallet } from '../src/lock.js';
import { rejection } from './support.js';

type Hold = () => Promise<void>;

/** The part of the Web Locks API that is used: exclusive locks, first come first served. */
class FakeLocks {
  readonly #tails = new Map<string, Promise<void>>();

  async request(name: string, { signal }: { signal: AbortSignal }, hold: Hold): Promise<void> {
    const before = this.#tails.get(name) ?? Promise.resolve();
    let release!: () => void;
    this.#tails.set(name, before.then(() => new Promise((resolve) => (release = resolve))));
    await Promise.race([before, rejectOnAbort(signal)]);
    await hold();
    release();
  }
}

beforeEach(() => {
  vi.stubGlobal('navigator', { locks: new FakeLocks() });
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('lets one in at a time, and the next when the first is out', async () => {
  const free = await lockWallet('a');
  let second = false;
  const next = lockWallet('a').then((freeNext) => {
    second = true;
    return freeNext;
  });
  (await lockWallet('b'))();
  expect(second).toBe(false);
  free();
  (await next)();
  expect(second).toBe(true);
});

it('gives up on a wallet that stays in use', async () => {
  const patience = new AbortController();
  vi.spyOn(AbortSignal, 'timeout').mockReturnValueOnce(new AbortController().signal).mockReturnValueOnce(patience.signal);
  await lockWallet('a');
  const waiting = rejection(lockWallet('a'));
  patience.abort();
  expect(await waiting).toMatchObject({ code: 'wallet_in_use', retryable: true });
});

it('stops waiting when told to', async () => {
  await lockWallet('a');
  const controller = new AbortController();
  const waiting = rejection(lockWallet('a', controller.signal));
  controller.abort();
  expect(await waiting).toMatchObject({ code: 'aborted' });
});

it('does without where there are no locks', async () => {
  vi.stubGlobal('navigator', {});
  (await lockWallet('a'))();
  (await lockWallet('a'))();
});

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
}
