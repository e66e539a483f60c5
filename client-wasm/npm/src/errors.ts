/**
 * The one error class of the package, and every code it can carry.
 *
 * Codes are part of the API: programs branch on them, so they change only with a major version.
 * Messages are for people and may be improved at any time. Neither ever holds seed words, keys or tokens.
 */

import type { WireError } from './rpc/messages.js';

/** Every code with what it means. The table in the docs is this one. */
export const errorCodes = {
  // What a person typed or pasted
  words_count: 'Not twelve words.',
  words_unknown: 'A word is not in the word list.',
  words_checksum: 'Each word is known, but together they are no seed: one is wrong or two are swapped.',
  invite_invalid: 'Not an invite code, or a damaged one.',
  token_invalid: 'Not a token, or a damaged one.',
  token_other_federation: 'The token belongs to another federation.',
  token_spent: 'The token was already redeemed or reclaimed.',
  amount_invalid: 'The amount is zero, negative, or not a whole number of sats.',
  amount_too_large: 'The amount is above what one operation can move.',
  insufficient_balance: 'The amount is above the spendable balance.',
  name_invalid: 'Not a wallet name.',
  argument_invalid: 'An argument has the wrong type or is missing.',

  // What state the wallet is in
  wallet_exists: 'There is already a wallet of this name.',
  wallet_not_found: 'There is no wallet of this name.',
  wallet_in_use: 'The wallet is open in another tab.',
  wallet_locked: 'The wallet is locked; it needs its passphrase.',
  passphrase_wrong: 'The passphrase is not the one the wallet is encrypted under.',
  passphrase_missing: 'The wallet has no passphrase, so it cannot be locked.',
  wallet_closed: 'The wallet was closed.',
  not_joined: 'The wallet has not joined a federation yet.',
  already_joined: 'The wallet belongs to another federation already.',
  recovery_running: 'Not possible before recovery is done.',
  recovery_not_running: 'There is no recovery to pause, resume or cancel.',
  recovery_cancelled: 'The recovery was given up.',
  module_failed: 'A part of the wallet could not be brought back yet; it is tried again.',
  operation_not_found: 'No operation has this id.',
  not_reclaimable: 'The operation is not a token that is still outstanding.',

  // What the federation does
  federation_unreachable: 'No guardian gave a usable answer.',
  federation_undecided: 'Too few guardians answered, or not enough alike.',
  response_invalid: 'A guardian answered with something that is not the protocol.',
  history_invalid: 'History does not carry the federation’s signature.',
  config_mismatch: 'The configuration served is not the one the invite code names.',
  version_unsupported: 'The federation speaks a version of the protocol this wallet does not know.',
  rate_limited: 'The guardians ask to slow down.',
  rejected: 'The federation rejected the transaction.',
  under_way: 'The payment is stored and goes on by itself. The same call again would be another payment.',

  // What the browser does
  storage_unavailable: 'The browser does not let the page store data.',
  storage_full: 'The browser’s storage is full.',
  storage_failed: 'The browser’s storage failed.',
  storage_too_new: 'The stored wallet was written by a newer version.',
  storage_corrupt: 'The stored wallet cannot be read.',
  storage_gone: 'The stored wallet was deleted while it was open, by the browser or by somebody.',
  out_of_memory: 'The device has too little memory for this.',
  worker_failed: 'The wallet’s worker or its wasm file could not be loaded.',
  crashed: 'The wallet’s worker crashed. The next call starts another one.',
  no_randomness: 'The browser gave no secure random numbers.',
  timeout: 'It took too long.',
  aborted: 'The caller aborted it.',
  internal: 'A bug in this package.',
} as const;

/** A stable error code. */
export type RekindleErrorCode = keyof typeof errorCodes;

/** Marks errors of every copy of this package, whatever its version or bundle. */
const brand = Symbol.for('rekindle.error');

/** What a {@link RekindleError} is made of. */
export interface RekindleErrorOptions {
  /** Whether the same call may succeed later. Default: false. */
  retryable?: boolean;
  /** What caused it. */
  cause?: unknown;
}

/** The error every call of this package rejects with. */
export class RekindleError extends Error {
  /** Stable code to branch on. */
  readonly code: RekindleErrorCode;
  /** Whether the same call may succeed later, without anything else changing. */
  readonly retryable: boolean;

  constructor(code: RekindleErrorCode, message: string = errorCodes[code], options: RekindleErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'RekindleError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    Object.defineProperty(this, brand, { value: true });
  }
}

/** Whether something thrown is a {@link RekindleError}, also one of another copy of this package. */
export function isRekindleError(error: unknown): error is RekindleError {
  return typeof error === 'object' && error !== null && (error as Record<symbol, unknown>)[brand] === true;
}

/** What a call rejects with whose caller aborted it. */
export function aborted(signal: AbortSignal): RekindleError {
  return new RekindleError('aborted', undefined, { cause: signal.reason });
}

/** The error that the worker speaks of. A code that this package does not know is a bug in it. */
export function fromWire({ code, message, retryable }: WireError, cause?: unknown): RekindleError {
  if (!Object.hasOwn(errorCodes, code)) return new RekindleError('internal');
  return new RekindleError(code, message || undefined, { retryable, ...(cause === undefined ? {} : { cause }) });
}
