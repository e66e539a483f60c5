/**
 * The plain data that crosses the public API.
 *
 * Amounts are `bigint` and carry their unit in the name. Times are milliseconds since 1970 (`timeMs`) or
 * spans in milliseconds (`…Ms`). Everything here survives a structured clone, so it can be posted between
 * windows and workers or kept in a framework's store as it is.
 */

import type { RekindleErrorCode } from './errors.js';

/** Where the wallet's worker and wasm file come from, when the bundler's own answer will not do. */
export interface HostOptions {
  /** The module worker's script. Default: `worker.js` beside this package's entry file. */
  workerUrl?: string | URL | undefined;
  /** The wasm file. Default: the one the worker finds beside its own glue code. */
  wasmUrl?: string | URL | undefined;
}

/** Ends the wait. The promise rejects with the code `aborted`; what is already stored stays stored. */
export interface Abortable {
  /** Aborting it rejects the call at once and stops its work at the next safe point. */
  signal?: AbortSignal | undefined;
}

/** Which wallet of this browser profile is meant. */
export interface WalletOptions extends HostOptions, Abortable {
  /** 1 to 64 letters, digits, `-` or `_`. One database per name. Default: `default`. */
  name?: string | undefined;
}

/** How {@link Wallet.create} makes a wallet. */
export interface CreateOptions extends WalletOptions {
  /**
   * Encrypts what the wallet stores, its seed words first, under a key made from it. Without one, whoever can read the
   * browser profile has the money. It cannot be recovered; the seed words can bring the wallet back without it.
   */
  passphrase?: string | undefined;
}

/** How {@link Wallet.open} opens a wallet. */
export interface OpenOptions extends WalletOptions {
  /** The wallet's passphrase. A wallet that has one opens locked without it. */
  passphrase?: string | undefined;
  /**
   * If the wallet is open in another tab: `reject` with `wallet_in_use`, the default, or `follow` it there, that is
   * show what it shows. A wallet that follows becomes this tab's when the other one closes it or is gone.
   */
  whenInUse?: 'reject' | 'follow' | undefined;
}

/** What {@link Wallet.recover} needs. */
export interface RecoverOptions extends CreateOptions {
  /** The twelve seed words, as one string or one by one. Case and surrounding space do not matter. */
  words: string | readonly string[];
  /** An invite code of the federation that issued the money. */
  invite: string;
  /**
   * Read whole sessions, with everybody's transactions in full, instead of the federation's signed index and
   * the sessions that concern this wallet: many times the bytes for the same result. For as long as the
   * wallet stays open.
   */
  everySession?: boolean | undefined;
  /** Called several times a second while recovery runs, from the first moment on. */
  onProgress?: ((progress: RecoveryProgress) => void) | undefined;
}

/** What {@link Wallet.seenBefore} needs. */
export interface SeenBeforeOptions extends HostOptions, Abortable {
  /** The twelve seed words, as one string or one by one. */
  words: string | readonly string[];
  /** An invite code of the federation. */
  invite: string;
}

/**
 * Whether a seed was used in a federation before.
 *
 * - `seen`: a guardian keeps a backup that only its owner can have written
 * - `never`: so many guardians never stored one that there was none
 * - `unknown`: too few guardians have said anything
 */
export type SeenBefore = 'seen' | 'never' | 'unknown';

/** One of the servers that run the federation together. */
export interface Guardian {
  /** Its number in the federation, from 0. */
  id: number;
  /** Its name for people. */
  name: string;
  /** Base URL of its API. */
  url: string;
}

/** The federation a wallet has joined. */
export interface FederationInfo {
  /** Hash of the federation's configuration, as 64 hexadecimal digits. */
  federationId: string;
  /** Its name for people. */
  name: string;
  /** All guardians, ordered by id. */
  guardians: Guardian[];
  /** Whether one of its issuers is a faucet, as test federations have: its money is play money. */
  hasFaucet: boolean;
}

/** What the wallet holds. The three parts never overlap. */
export interface Balance {
  /** Notes in hand, ready to send. */
  spendableSats: bigint;
  /** On its way in: submitted to the federation, not yet confirmed. */
  pendingSats: bigint;
  /** Out as tokens that nobody has redeemed yet; can be reclaimed. */
  outstandingSats: bigint;
}

/** A token ready to be handed to somebody. Whoever redeems it first has the money. */
export interface SentToken {
  /** The token. As good as cash: show it only to its receiver. */
  token: string;
  /** Its worth. */
  amountSats: bigint;
  /** The operation to follow in the history, and to reclaim. */
  operationId: string;
}

/** The outcome of an operation that brought money in. */
export interface Received {
  /** What was added to the balance. */
  amountSats: bigint;
  /** The operation in the history. */
  operationId: string;
}

/** A sent token that nobody has redeemed yet. */
export interface OutstandingToken {
  /** The send operation. */
  operationId: string;
  /** Its worth. */
  amountSats: bigint;
  /** The token's text. */
  token?: string | undefined;
  /** When it was sent, milliseconds since 1970. */
  timeMs: number;
}

/** What an operation did. */
export type OperationKind = 'deposit' | 'send' | 'redeem' | 'reclaim' | 'withdrawal';

/**
 * How far an operation is.
 *
 * - `pending`: stored and submitted, not yet confirmed by a signed session
 * - `outstanding`: a sent token that nobody has redeemed yet
 * - `settled`: final
 * - `reclaimed`: a sent token whose money was taken back
 * - `failed`: final, and without effect on the balance
 */
export type OperationStatus = 'pending' | 'outstanding' | 'settled' | 'reclaimed' | 'failed';

/** One line of the wallet's history. */
export interface Operation {
  /** Stable, also across recoveries. */
  operationId: string;
  /** What it did. */
  kind: OperationKind;
  /** How much it moved; always positive, the kind tells the direction. */
  amountSats: bigint;
  /** When it happened, milliseconds since 1970: consensus time once confirmed, local time before. */
  timeMs: number;
  /** How far it is. */
  status: OperationStatus;
}

/** Pages through the history, newest first. */
export interface HistoryOptions extends Abortable {
  /** At most this many, 1 to 1000. Default: 100. */
  limit?: number | undefined;
  /** Only operations older than this one. */
  before?: string | undefined;
}

/**
 * Where a recovery stands.
 *
 * - `running`: sessions are being fetched and verified
 * - `waiting`: no guardian can serve the next sessions just now, or the mint is failing; tried again by itself
 * - `paused`: stopped by {@link Wallet.pauseRecovery}
 * - `finalizing`: all sessions are read, the notes found are being completed
 * - `failed`: given up by {@link Wallet.cancelRecovery}; {@link Wallet.resumeRecovery} begins it again
 * - `done`: the wallet is whole, but for parts that are `failing`
 */
export type RecoveryState = 'running' | 'waiting' | 'paused' | 'finalizing' | 'failed' | 'done';

/**
 * Progress of a recovery. It goes forward only, except that a pause or a restart goes back to the last
 * snapshot, which is about a second of work; what was found is told again once it moves on.
 */
export interface RecoveryProgress {
  /** Where it stands. */
  state: RecoveryState;
  /** Sessions read and verified. */
  sessionsDone: number;
  /** Sessions there are; may grow, since the federation keeps running. */
  sessionsTotal: number;
  /** Bytes of history processed. */
  bytes: number;
  /**
   * How much of the work is done, from 0 to 1: sessions to read and notes to complete, by the time they take.
   * It does not go back, and is 1 only once all is done.
   */
  share: number;
  /** Current speed of reading. 0 when not running. */
  sessionsPerSecond: number;
  /** Estimated time left. Absent until it can be trusted. */
  timeLeftMs?: number | undefined;
  /** Guardians that served history lately, by id. */
  guardiansInUse: number[];
  /** What was found so far. */
  found: RecoveryFindings;
  /** In state `waiting`: when the next attempt is made, milliseconds since 1970. */
  nextAttemptMs?: number | undefined;
  /** In states `waiting` and `failed`: what stands in the way. */
  error?: RecoveryFault | undefined;
  /** How often progress was saved; a restart goes on from the last time. */
  snapshots: number;
  /** Signatures of the federation that were verified; one vouches for all history before it. */
  signaturesVerified: number;
  /** How many sessions a backup at the guardians spared it. Absent if it read history from the beginning. */
  restoredSessions?: number | undefined;
  /** Why progress that was stored, here or at the guardians, could not be used, if any was dropped; for people. */
  dropped?: string | undefined;
  /** Parts of the wallet that could not go on. The rest does, and each is tried again by itself. */
  failing: FailingModule[];
}

/** A part of the wallet that recovers by itself, because it failed or kept the others waiting. */
export interface FailingModule {
  /** `mint` (the notes), `deposit` (credits to be claimed) or `operations` (the history). */
  module: string;
  /** What stopped it last, for people. */
  message: string;
  /** When it is tried again, milliseconds since 1970; in the past while it is being tried. */
  nextAttemptMs: number;
}

/** What a recovery has found so far; provisional until it is done. */
export interface RecoveryFindings {
  /** Unspent notes. */
  notes: number;
  /** Their worth. */
  amountSats: bigint;
  /** Lines of history. */
  operations: number;
}

/** Why a recovery waits or has failed. */
export interface RecoveryFault {
  /** Stable code. */
  code: RekindleErrorCode;
  /** A sentence for people. */
  message: string;
  /** Whether trying again can help. */
  retryable: boolean;
}

/**
 * How this tab has the wallet.
 *
 * - `open`: it is this tab's
 * - `locked`: it is this tab's, and its secrets are not in memory; {@link Wallet.unlock} changes that
 * - `following`: it is another tab's; what it shows can be read here, and {@link Wallet.takeOver} brings it over
 */
export type WalletState = 'open' | 'locked' | 'following';

/** How safe the browser keeps what this site stores. */
export interface StorageInfo {
  /** Whether the browser promises not to delete it by itself when the device runs out of space. */
  persistent: boolean;
  /** What the site uses, roughly. Absent where the browser does not tell. */
  usageBytes?: number | undefined;
  /** What the site may use at most, roughly. Absent where the browser does not tell. */
  quotaBytes?: number | undefined;
}

/** Figures for tests, benchmarks and bug reports. */
export interface Diagnostics {
  /** Size of the wasm memory. It never shrinks, so this is also its peak. */
  wasmMemoryBytes: number;
  /** What it has cost a recovery to save its progress since the wallet was opened, in milliseconds. */
  snapshotMs: number;
  /** Guardians that have served what only a lie or a broken program explains. */
  evidence: GuardianEvidence[];
}

/**
 * That a guardian, or a cache or proxy in front of it, served what can't be right. It is left alone for a while, and
 * does no harm; whoever runs it will want to know.
 */
export interface GuardianEvidence {
  /** The guardian's number. */
  guardian: number;
  /** What it did the last time: a stable name such as `history_invalid`. */
  code: string;
  /** When that was found out, milliseconds since 1970. */
  timeMs: number;
  /** How often it did such a thing. */
  times: number;
  /**
   * What it was asked for the last time; it may name a transaction of the wallet’s. Empty where several answers together
   * showed it.
   */
  path: string;
  /** How its answer began: at most 64 bytes in hex. Empty for streams of history, and for answers it did not sign as it should. */
  answer: string;
}

/** What a wallet tells its listeners. */
export interface WalletEvents {
  /** Balance, history, outstanding tokens or federation may have changed; ask for what you show. */
  change: undefined;
  /** Recovery moved on. */
  recovery: RecoveryProgress;
  /** The wallet was locked or unlocked, or went to or came from another tab. */
  state: WalletState;
}

/** Ends a subscription. Calling it again does nothing. */
export type Canceller = () => void;
