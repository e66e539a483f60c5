/**
 * What the worker serves: the wallet engine, in the shape the wasm exports have.
 *
 * Errors are thrown as objects with `code`, `message` and `retryable`. Every `signal` means: drop the
 * work at the next safe point and reject with `aborted`.
 */

import type { WalletCalls, WalletMethod } from './messages.js';
import type { RecoveryProgress } from '../types.js';

/** What a wallet reports by itself. Neither may throw. */
export interface EngineListener {
  /** Something that the wallet shows may have changed. */
  change: () => void;
  /** Recovery moved on. */
  recovery: (progress: RecoveryProgress) => void;
}

/** Opens wallets. */
export interface Engine {
  exists(name: string): Promise<boolean>;
  erase(name: string): Promise<void>;
  create(name: string, listener: EngineListener, signal: AbortSignal): Promise<EngineWallet>;
  open(name: string, listener: EngineListener, signal: AbortSignal): Promise<EngineWallet>;
  recover(
    name: string,
    words: string,
    invite: string,
    listener: EngineListener,
    signal: AbortSignal,
    everySession?: boolean,
  ): Promise<EngineWallet>;
}

/** One open wallet: a method per call, with the arguments of the message and a signal. */
export type EngineWallet = {
  [M in WalletMethod]: (
    params: WalletCalls[M]['params'],
    signal: AbortSignal,
  ) => Promise<WalletCalls[M]['result']>;
};
