/** Listeners of one wallet, by event. */

import type { RekindleError } from './errors.js';
import type { Canceller } from './types.js';

type Listener = (value: never) => void;

/** Calls listeners in the order they came, and keeps what they throw from each other. */
export class Listeners<Events> {
  readonly #byEvent = new Map<keyof Events, Set<{ call: Listener }>>();
  readonly #onClose = new Set<{ call: (reason: RekindleError | undefined) => void }>();
  #closed: { reason: RekindleError | undefined } | undefined;

  /** Adds a listener. The same function added twice is called twice. */
  add<E extends keyof Events>(event: E, listener: (value: Events[E]) => void): Canceller {
    let set = this.#byEvent.get(event);
    if (!set) this.#byEvent.set(event, (set = new Set()));
    return register(set, { call: listener as Listener });
  }

  /** Called once when no event will come any more; at once if that is already so. */
  onClose(listener: (reason: RekindleError | undefined) => void): Canceller {
    if (this.#closed) {
      listener(this.#closed.reason);
      return () => {};
    }
    return register(this.#onClose, { call: listener });
  }

  /** Tells every listener of `event`. */
  emit<E extends keyof Events>(event: E, value: Events[E]): void {
    for (const entry of [...(this.#byEvent.get(event) ?? [])]) guarded(() => entry.call(value as never));
  }

  /** Forgets all listeners. `reason` says what broke, undefined for an orderly end. */
  close(reason?: RekindleError): void {
    if (this.#closed) return;
    this.#closed = { reason };
    this.#byEvent.clear();
    for (const entry of this.#onClose) guarded(() => entry.call(reason));
    this.#onClose.clear();
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
