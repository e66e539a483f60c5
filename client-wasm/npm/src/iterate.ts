/** What a wallet reports, as async iterables. */

import { type RekindleError, aborted } from './errors.js';
import type { Canceller } from './types.js';

/** Where the values come from. */
export interface Source<T> {
  /** What there is to begin with, asked for once `subscribe` was called; nothing follows nothing. */
  current?: () => Promise<T | undefined>;
  /** Every value from now on. */
  subscribe: (listener: (value: T) => void) => Canceller;
  /** No value will come any more. */
  closed: (listener: (reason: RekindleError | undefined) => void) => Canceller;
  /** Whether nothing follows this value. */
  isLast?: (value: T) => boolean;
  /** Ends the iteration early. */
  signal: AbortSignal | undefined;
}

/** Yields what there is and each value that follows. Only the latest unread value is kept. */
export async function* iterate<T>({ current, subscribe, closed, isLast, signal }: Source<T>): AsyncGenerator<T, void, undefined> {
  let latest: { value: T } | undefined;
  let end: { reason: RekindleError | undefined } | undefined;
  let wake = () => {};

  const cancellers = [
    subscribe((value) => {
      latest = { value };
      wake();
    }),
    closed((reason) => {
      end = { reason };
      wake();
    }),
  ];
  const onAbort = () => wake();
  signal?.addEventListener('abort', onAbort);
  try {
    if (current) {
      const value = await current();
      // What was pushed while we asked is newer than the answer.
      if (value !== undefined) latest ??= { value };
      if (!latest) return;
    }
    for (;;) {
      if (signal?.aborted) throw aborted(signal);
      if (latest) {
        const { value }: { value: T } = latest;
        latest = undefined;
        yield value;
        if (isLast?.(value)) return;
      } else if (end) {
        if (end.reason) throw end.reason;
        return;
      } else {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
  } finally {
    signal?.removeEventListener('abort', onAbort);
    for (const cancel of cancellers) cancel();
  }
}
