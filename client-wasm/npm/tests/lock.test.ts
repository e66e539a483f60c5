import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { lockWallet } from '../src/lock.js';
import { FakeLocks } from './fake-locks.js';
import { rejection } from './support.js';

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

it('does not depend on the browser to notice, and gives back what comes too late', async () => {
  const { locks } = navigator;
  vi.stubGlobal('navigator', { locks: { request: (name: string, _: object, hold: () => Promise<void>) => locks.request(name, {}, hold) } });
  const free = await lockWallet('a');
  const controller = new AbortController();
  const waiting = rejection(lockWallet('a', controller.signal));
  controller.abort();
  expect(await waiting).toMatchObject({ code: 'aborted' });
  free();
  (await lockWallet('a'))();
});

it('refuses where there are no locks, rather than let two tabs write', async () => {
  vi.stubGlobal('navigator', {});
  expect(await rejection(lockWallet('a'))).toMatchObject({ code: 'storage_unavailable' });
});
