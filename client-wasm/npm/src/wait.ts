/** Waits that can be aborted, for work that can't. */

import { aborted } from './errors.js';

/** What `work` comes to, unless the wait is aborted; it goes on all the same. */
export function waitFor<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(aborted(signal as AbortSignal));
    void work.then(resolve, reject).finally(() => signal?.removeEventListener('abort', stop));
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop);
  });
}
