/** One thing a person can start: pending, failed, or ready again. */

import { isRekindleError } from 'rekindle';
import { type Explained, explain } from './errors';

/** Runs one call at a time and keeps its error for display. */
export class Action {
  /** Whether the call is under way; its button is disabled meanwhile. */
  pending = $state(false);
  /** Why the last call failed. */
  error = $state<Explained>();
  #controller: AbortController | undefined;

  /** Runs `work` unless it is under way already. Resolves with undefined if it fails. */
  async run<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
    if (this.pending) return undefined;
    this.pending = true;
    this.error = undefined;
    this.#controller = new AbortController();
    try {
      return await work(this.#controller.signal);
    } catch (error) {
      // Whoever cancels knows.
      if (!(isRekindleError(error) && error.code === 'aborted')) this.error = explain(error);
      return undefined;
    } finally {
      this.pending = false;
    }
  }

  /** Ends the wait. */
  cancel(): void {
    this.#controller?.abort();
  }

  /** Forgets the last error. */
  clear(): void {
    this.error = undefined;
  }
}
