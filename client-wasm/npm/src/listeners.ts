/** Listeners of one wallet, by event. */

import type { RekindleError } from './errors.js';
import type { Canceller } from './types.js';

type Listener = (value: never) => void;

/** Calls listeners in the order they came, and keeps what they throw from each other. */
export class Listeners<Events> {
  readonly #byEvent = new Map<keyof Events, Set<{ call: Listener }>>();
  readonly #onClose = new Set<{ call: (reason: RekindleError | undefined) => void }>();
  #closed = false;

  /** Adds a listener. The same function added twice is called twice. */
  add<E extends keyof Events>(event: E, listener: (value: Events[E]) => void): Canceller {
    let set = this.#byEvent.get(event);
    if (!set) this.#byEvent.set(event, (set = new Set()));
    return register(set, { call: listener as Listener });
  }

  /**
   * Called when steps are missed from now on: because of `reason` the worker is gone, or without one the wallet was
   * closed, for good. At once if it is closed.
   */
  onClose(listener: (reason: RekindleError | undefined) => void): Canceller {
    if (this.#closed) {
      listener(undefined);
      return () => {};
    }
    return register(this.#onClose, { call: listener });
  }

  /** Tells every listener of `event`. */
  emit<E extends keyof Events>(event: E, value: Events[E]): void {
    for (const entry of [...(this.#byEvent.get(event) ?? [])]) guarded(() => entry.call(value as never));
  }

  /** Forgets all listeners, for good. */
  close(): void {
    this.#closed = true;
    this.#byEvent.clear();
    this.interrupt(undefined);
    this.#onClose.clear();
  }

  /** Ends what follows the wallet step by step, because of `reason`; those who listen for events hear of the next one. */
  interrupt(reason: RekindleError | undefined): void {
    for (const entry of [...this.#onClose]) guarded(() => entry.call(reason));
  }
}

function register<T>(set: Set<T>, entry: T): Canceller {
  set.add(entry);
  return () => void set.delete(entry);
}

/** What a listener throws is the page's error, shown like any uncaught one. */
function guarded(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (typeof reportError === 'function') reportError(error);
    else queueMicrotask(() => {
      throw error;
    });
  }
}
