/**
 * One writer per wallet: a Web Lock per name, held by the worker while the wallet is open.
 *
 * The browser frees the lock of a tab that was closed or crashed. A page that reloads may find its
 * predecessor's lock not quite freed yet, so opening waits a little before it gives up.
 */

import { RekindleError } from './errors.js';

/** How long to wait for another tab, or for the page before a reload, to let go. */
const patienceMs = 3_000;

/** Takes the lock of the wallet `name` and returns what frees it. */
export async function lockWallet(name: string, signal?: AbortSignal): Promise<() => void> {
  // Missing outside secure contexts; IndexedDB still keeps each single write whole.
  if (!navigator.locks) return () => {};
  const patience = AbortSignal.timeout(patienceMs);
  const either = signal ? AbortSignal.any([signal, patience]) : patience;
  return new Promise((resolve, reject) => {
    const hold = () => new Promise<void>((free) => resolve(free));
    navigator.locks.request(`rekindle:${name}`, { signal: either }, hold).catch((cause: unknown) => {
      if (signal?.aborted) reject(new RekindleError('aborted'));
      else if (patience.aborted) reject(new RekindleError('wallet_in_use', undefined, { retryable: true }));
      else reject(new RekindleError('storage_unavailable', undefined, { cause }));
    });
  });
}
