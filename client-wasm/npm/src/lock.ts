/**
 * One writer per wallet: a Web Lock per name, held by the worker while the wallet is open.
 *
 * The browser frees the lock of a tab that was closed or crashed. A page that reloads may find its
 * predecessor's lock not quite freed yet, so opening waits a little before it gives up.
 */

import { Failure } from './rpc/failure.js';

/** How long to wait for another tab, or for the page before a reload, to let go. */
export const patienceMs = 3_000;

/** Takes the lock of the wallet `name` and returns what frees it; `wallet_in_use` after a little patience. */
export async function lockWallet(name: string, signal?: AbortSignal): Promise<() => void> {
  const patience = AbortSignal.timeout(patienceMs);
  try {
    return await waitForLock(name, signal ? AbortSignal.any([signal, patience]) : patience);
  } catch (error) {
    if (signal?.aborted || !patience.aborted) throw error;
    throw new Failure('wallet_in_use', true);
  }
}

/**
 * Waits for the lock of the wallet `name`, for as long as it takes, and returns what frees it.
 *
 * Chromium does not hear a signal that is aborted within milliseconds after the request, so this listens itself, and
 * gives a lock back that nobody waits for any more.
 */
export function waitForLock(name: string, signal: AbortSignal): Promise<() => void> {
  return new Promise((resolve, reject) => {
    if (!navigator.locks) throw new Failure('storage_unavailable', false, 'Wallets need a secure context: HTTPS, or localhost.');
    const stop = () => reject(new Failure('aborted'));
    if (signal.aborted) return stop();
    signal.addEventListener('abort', stop);
    const hold = async () => {
      signal.removeEventListener('abort', stop);
      if (!signal.aborted) await new Promise<void>((free) => resolve(free));
    };
    navigator.locks.request(`rekindle:${name}`, { signal }, hold).catch((cause: unknown) => {
      if (!signal.aborted) reject(new Failure('storage_unavailable', false, String(cause)));
    });
  });
}
