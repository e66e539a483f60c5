/** Recovery progress as an async iterable. */

import { RekindleError } from './errors.js';
import { aborted } from './rpc/abort.js';
import type { Canceller, RecoveryProgress } from './types.js';

/** Where progress comes from. */
export interface ProgressSource {
  /** The state of things now. */
  current: () => Promise<RecoveryProgress | undefined>;
  /** Every step from now on. */
  subscribe: (listener: (progress: RecoveryProgress) => void) => Canceller;
  /** No step will come any more. */
  closed: (listener: (reason: RekindleError | undefined) => void) => Canceller;
  /** Ends the iteration early. */
  signal: AbortSignal | undefined;
}

/** Yields where recovery stands, then each step. Only the latest unread step is kept. */
export async function* iterateProgress(source: ProgressSource): AsyncGenerator<RecoveryProgress, void, undefined> {
  const { signal } = source;
  let latest: RecoveryProgress | undefined;
  let end: { reason: RekindleError | undefined } | undefined;
  let wake = () => {};

  const cancellers = [
    source.subscribe((progress) => {
      latest = progress;
      wake();
    }),
    source.closed((reason) => {
      end = { reason };
      wake();
    }),
  ];
  const onAbort = () => wake();
  signal?.addEventListener('abort', onAbort);
  try {
    const now = await source.current();
    // What was pushed while we asked is newer than the answer.
    latest ??= now;
    if (!latest) return;
    for (;;) {
      if (signal?.aborted) throw aborted(signal);
      if (latest) {
        const step: RecoveryProgress = latest;
        latest = undefined;
        yield step;
        if (step.state === 'done' || step.state === 'failed') return;
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
