/**
 * What the worker serves: the wallet engine.
 *
 * Errors are thrown as objects with `code`, `message` and `retryable`. Every `signal` means: drop the
 * work at the next safe point and reject with `aborted`.
 */

import type { EngineCalls, WalletCalls, WalletMethod } from './messages.js';
import type { RecoveryProgress, SeenBefore, WalletState } from '../types.js';

/** What a wallet reports by itself. None may throw. */
export interface EngineListener {
  /** Something that the wallet shows may have changed. */
  change: () => void;
  /** Recovery moved on. */
  recovery: (progress: RecoveryProgress) => void;
  /** The wallet was locked or unlocked, or went to or came from another tab. */
  state: (state: WalletState) => void;
}

/** Opens wallets. */
export interface Engine {
  exists(name: string): Promise<boolean>;
  erase(name: string): Promise<void>;
  seenBefore(params: EngineCalls['seenBefore']['params'], signal: AbortSignal): Promise<SeenBefore>;
  create(params: EngineCalls['create']['params'], on: EngineListener, signal: AbortSignal): Promise<EngineWallet>;
  open(params: EngineCalls['open']['params'], on: EngineListener, signal: AbortSignal): Promise<EngineWallet>;
  recover(params: EngineCalls['recover']['params'], on: EngineListener, signal: AbortSignal): Promise<EngineWallet>;
}

/** One open wallet. */
export interface EngineWallet {
  /** Does what the message of this name asks for. After `close` or `closeAndErase` it is not called again. */
  call<M extends WalletMethod>(method: M, params: WalletCalls[M]['params'], signal: AbortSignal): Promise<WalletCalls[M]['result']>;
  /** Has a running recovery save what it has read. */
  saveSoon(): void;
}
