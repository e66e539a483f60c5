/** Errors in words a person understands. */

import { type RekindleErrorCode, isRekindleError } from 'rekindle';

/** What goes wrong in the app itself. */
export type AppErrorCode = 'faucet_failed' | 'clipboard_failed' | 'passphrase_repeat';

/** An error ready to be shown. */
export interface Explained {
  /** Stable code, shown small for whoever asks for help. */
  code: RekindleErrorCode | AppErrorCode;
  /** What happened and what to do. */
  text: string;
  /** Whether trying again can help. */
  retryable: boolean;
}

/** An error of the app itself, outside the wallet. */
export class AppError extends Error {
  constructor(
    readonly code: AppErrorCode,
    message: string,
  ) {
    super(message);
  }
}

/** One sentence or two for every code, for the person in front of the page. */
export const sentences: Record<RekindleErrorCode, string> = {
  words_count: 'A wallet has exactly twelve words. Please check that none is missing or there twice.',
  words_unknown: 'One of these is not a wallet word. Please check the spelling.',
  words_checksum: 'These words do not belong together: one is wrong, or two have changed places.',
  invite_invalid: 'This is not a complete invite code. Please copy it again, from its first to its last character.',
  token_invalid: 'This is not a complete token. Please copy it again, from its first to its last character.',
  token_other_federation: 'This token belongs to another federation. It is still good there.',
  token_spent: 'This token was already redeemed.',
  amount_invalid: 'Please enter a whole number above zero.',
  amount_too_large: 'That is more than can be moved at once. Please send it in parts.',
  insufficient_balance: 'That is more than you have at hand.',
  name_invalid: 'This wallet name cannot be used.',
  argument_invalid: 'Something is missing. Please fill in everything.',
  wallet_exists: 'There is already a wallet on this device.',
  wallet_not_found: 'There is no wallet on this device.',
  wallet_in_use: 'Your wallet is open in another tab. Close it there, then try again.',
  wallet_locked: 'Your wallet is locked. Please unlock it with its passphrase.',
  passphrase_wrong: 'That is not the passphrase of this wallet.',
  passphrase_missing: 'This wallet has no passphrase yet. Set one to lock it.',
  wallet_closed: 'The wallet was closed. Please reload the page.',
  not_joined: 'Join a federation first.',
  already_joined: 'This wallet already belongs to another federation.',
  recovery_running: 'Your wallet is still being recovered. This works as soon as it is done.',
  recovery_not_running: 'There is no recovery under way.',
  recovery_cancelled: 'The recovery was given up. It begins again when you want.',
  module_failed: 'A part of your wallet could not be brought back yet. It is tried again by itself; an update may help.',
  operation_not_found: 'This entry is not in your history.',
  not_reclaimable: 'This token is no longer outstanding.',
  federation_unreachable: 'The federation does not answer. Please check your connection and try again; your money is safe.',
  federation_undecided: 'Too few guardians agree just now. Please try again in a moment; your money is safe.',
  response_invalid: 'A guardian gave an answer that makes no sense. Please try again.',
  history_invalid: 'What was received is not signed by the federation, so it was not believed. Please try again.',
  config_mismatch: 'The federation is not the one this invite code names. Ask for a new invite code.',
  version_unsupported: 'This federation needs a newer version of the wallet. Reload the page to update.',
  rate_limited: 'The federation is busy. Please try again in a moment.',
  rejected: 'The federation refused this. Your balance is unchanged.',
  under_way: 'The federation has not answered yet. This goes on by itself: do not repeat it, see your history.',
  storage_unavailable: 'The browser does not let this page store anything. Private windows often do not; use a normal one.',
  storage_full: 'This device is out of storage. Free some space, then try again.',
  storage_failed: 'The browser’s storage failed. Please reload the page.',
  storage_too_new: 'This wallet was used with a newer version. Reload the page to update.',
  storage_corrupt: 'The wallet stored on this device cannot be read. Recover it from your words.',
  storage_gone: 'This device no longer has your wallet: it was deleted. Reload the page and recover it from your words.',
  out_of_memory: 'This device has too little free memory. Close other tabs, then try again.',
  worker_failed: 'The wallet could not be loaded. Please check your connection and reload the page.',
  crashed: 'The wallet stopped unexpectedly. Please try again; nothing is lost.',
  no_randomness: 'This browser gives no secure random numbers, so no wallet can be made with it.',
  timeout: 'That took too long. What was begun goes on by itself: see your history before you try again.',
  aborted: 'Cancelled.',
  internal: 'Something went wrong inside the wallet. Reload the page; nothing is lost.',
};

/** What to show for something thrown. */
export function explain(error: unknown): Explained {
  if (isRekindleError(error)) {
    return { code: error.code, text: sentences[error.code] ?? error.message, retryable: error.retryable };
  }
  if (error instanceof AppError) return { code: error.code, text: error.message, retryable: true };
  return { code: 'internal', text: sentences.internal, retryable: false };
}
