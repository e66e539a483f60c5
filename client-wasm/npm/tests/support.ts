/** Small pieces the tests share. */

import type { EngineListener, EngineWallet } from '../src/rpc/engine.js';
import type { EngineCalls, WalletCalls, WalletMethod } from '../src/rpc/messages.js';
import type { RecoveryProgress } from '../src/types.js';

type Calls = {
  [M in WalletMethod]: (params: WalletCalls[M]['params'], signal: AbortSignal) => Promise<WalletCalls[M]['result']>;
};

/** A wallet of which a test supplies only the calls it uses. */
export function engineWallet(given: Partial<Calls> = {}, saveSoon = () => {}): EngineWallet {
  const calls = { close: () => Promise.resolve(undefined), ...given } as Calls;
  return { call: (method, params, signal) => calls[method](params as never, signal) as never, saveSoon };
}

/** An engine whose `create` and `open` give this wallet, and what the wallet may report. */
export function engineWith(wallet: EngineWallet) {
  const seen: { listener?: EngineListener } = {};
  const start = (_params: EngineCalls['create']['params'], listener: EngineListener) => {
    seen.listener = listener;
    return Promise.resolve(wallet);
  };
  return { seen, engine: { create: start, open: start } };
}

/** A promise with its two ends in hand. */
export function deferred<T>() {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}

/** A promise that rejects with `aborted` when the signal says so, as the engine's do. */
export function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject({ code: 'aborted', message: 'aborted', retryable: false }));
  });
}

/** A step of a recovery. */
export function step(sessionsDone: number, state: RecoveryProgress['state'] = 'running'): RecoveryProgress {
  return {
    state,
    sessionsDone,
    sessionsTotal: 100,
    bytes: sessionsDone * 2000,
    share: sessionsDone / 100,
    sessionsPerSecond: 50,
    guardiansInUse: [0, 2],
    found: { notes: 1, amountSats: 7n, operations: 1 },
    snapshots: 1,
    signaturesVerified: 1,
    failing: [],
  };
}

/** What a promise rejects with; fails if it does not. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`resolved with ${String(value)} instead of rejecting`);
}
