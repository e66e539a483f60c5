/**
 * What page and worker say to each other.
 *
 * Every call has an id of the page's choosing and gets exactly one answer, in any order. A `cancel` asks
 * the worker to drop a call; the call is still answered, usually with the code `aborted`. Events are not
 * answered. Only structured-clone data crosses; secrets cross in two results that ask for them by name,
 * `seedWords` and a token that was sent (`send`, `outstanding`), and in arguments: words, tokens, passphrases.
 */

import type { RekindleErrorCode } from '../errors.js';
import type {
  Balance,
  Diagnostics,
  FederationInfo,
  Operation,
  OutstandingToken,
  Received,
  RecoveryProgress,
  SeenBefore,
  SentToken,
  WalletState,
} from '../types.js';

/** The worker's number for an open wallet. Never reused while the worker lives. */
export type WalletHandle = number;

interface Passphrase {
  passphrase?: string | undefined;
}

/** Calls that need no open wallet. Arguments as one object, answer as one value. */
export interface EngineCalls {
  exists: { params: { name: string }; result: boolean };
  erase: { params: { name: string }; result: undefined };
  seenBefore: { params: { words: string; invite: string }; result: SeenBefore };
  create: { params: { name: string } & Passphrase; result: WalletHandle };
  open: { params: { name: string; follow?: boolean | undefined } & Passphrase; result: WalletHandle };
  recover: {
    params: { name: string; words: string; invite: string; everySession?: boolean | undefined } & Passphrase;
    result: WalletHandle;
  };
}

/** Calls on an open wallet; each carries its handle beside these arguments. */
export interface WalletCalls {
  join: { params: { invite: string }; result: FederationInfo };
  federation: { params: object; result: FederationInfo | undefined };
  balance: { params: object; result: Balance };
  depositAddress: { params: object; result: string };
  claimDeposits: { params: object; result: Received[] };
  send: { params: { amountSats: bigint }; result: SentToken };
  redeem: { params: { token: string }; result: Received };
  outstanding: { params: object; result: OutstandingToken[] };
  reclaim: { params: { operationId: string }; result: Received };
  history: { params: { limit: number; before?: string | undefined }; result: Operation[] };
  seedWords: { params: object; result: string[] };
  recovery: { params: object; result: RecoveryProgress | undefined };
  steerRecovery: { params: { how: 'pause' | 'resume' | 'cancel' | 'restart' }; result: undefined };
  backedUpAt: { params: object; result: number | undefined };
  knownFederations: { params: object; result: string[] };
  rememberFederation: { params: { invite: string }; result: undefined };
  diagnostics: { params: object; result: Diagnostics };
  hasPassphrase: { params: object; result: boolean };
  changePassphrase: { params: { current?: string | undefined; next?: string | undefined }; result: undefined };
  state: { params: object; result: WalletState };
  lock: { params: object; result: undefined };
  unlock: { params: Passphrase; result: undefined };
  takeOver: { params: object; result: undefined };
  close: { params: object; result: undefined };
  closeAndErase: { params: object; result: undefined };
}

/** Name of a call that needs no open wallet. */
export type EngineMethod = keyof EngineCalls;
/** Name of a call on an open wallet. */
export type WalletMethod = keyof WalletCalls;

/** Page to worker. */
export type Request =
  | { type: 'init'; wasmUrl: string | undefined }
  | { type: 'call'; id: number; method: EngineMethod | WalletMethod; wallet?: WalletHandle | undefined; params: object }
  | { type: 'cancel'; id: number }
  /** The page is hidden and may be gone soon. */
  | { type: 'hidden' };

/** Worker to page. */
export type Response =
  | { type: 'result'; id: number; value: unknown }
  | { type: 'error'; id: number; error: WireError }
  | { type: 'change'; wallet: WalletHandle }
  | { type: 'recovery'; wallet: WalletHandle; progress: RecoveryProgress }
  | { type: 'state'; wallet: WalletHandle; state: WalletState }
  | { type: 'crashed'; message: string };

/** An error in transit. */
export interface WireError {
  code: RekindleErrorCode;
  message: string;
  retryable: boolean;
}
