/**
 * The page's end of the conversation with the worker: numbers calls, matches answers, cancels.
 *
 * It knows messages, not workers: whoever owns the worker passes messages in and reports its death.
 */

import type { Request, Response, WireError } from './messages.js';

/** Makes what a call rejects with. */
export type ToError = (error: WireError, cause?: unknown) => Error;

/** A call that waits for its answer. */
interface Pending {
  resolve: (value: unknown) => void;
  reject: (error: Error) => void;
  /** What to do with a value that arrives after the caller gave up. */
  onLate: ((value: unknown) => void) | undefined;
  gaveUp: boolean;
  /** Takes the abort listener off the signal. */
  detach: () => void;
}

/** How one call is made. */
export interface CallOptions {
  wallet?: number | undefined;
  signal?: AbortSignal | undefined;
  /** Receives the value if it arrives after `signal` was aborted, so that nothing stays open unowned. */
  onLate?: ((value: unknown) => void) | undefined;
}

/** Numbers calls and settles them when their answers arrive. */
export class RpcClient {
  readonly #post: (message: Request) => void;
  readonly #pending = new Map<number, Pending>();
  readonly #toError: ToError;
  #nextId = 1;
  #dead: Error | undefined;

  /** @param post sends one message to the worker; may throw if the message cannot be cloned */
  constructor(post: (message: Request) => void, toError: ToError) {
    this.#post = post;
    this.#toError = toError;
  }

  /** Makes one call. Rejects at once if its signal is aborted, whatever the worker is busy with. */
  call(
    method: Extract<Request, { type: 'call' }>['method'],
    params: object,
    { wallet, signal, onLate }: CallOptions = {},
  ): Promise<unknown> {
    if (signal?.aborted) return Promise.reject(this.#error('aborted', '', signal.reason));
    if (this.#dead) return Promise.reject(this.#dead);

    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        const pending = this.#pending.get(id);
        if (!pending || pending.gaveUp) return;
        pending.gaveUp = true;
        this.#post({ type: 'cancel', id });
        reject(this.#error('aborted', '', signal?.reason));
      };
      const detach = () => signal?.removeEventListener('abort', onAbort);
      this.#pending.set(id, { resolve, reject, onLate, gaveUp: false, detach });
      try {
        this.#post({ type: 'call', id, method, wallet, params });
      } catch (cause) {
        this.#pending.delete(id);
        reject(this.#error('argument_invalid', 'An argument cannot be passed to the worker.', cause));
        return;
      }
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Takes an answer. Answers to unknown calls are ignored. */
  receive(message: Extract<Response, { type: 'result' | 'error' }>): void {
    const pending = this.#pending.get(message.id);
    if (!pending) return;
    this.#pending.delete(message.id);
    pending.detach();
    if (message.type === 'error') {
      pending.reject(this.#toError(message.error));
    } else if (pending.gaveUp) {
      pending.onLate?.(message.value);
    } else {
      pending.resolve(message.value);
    }
  }

  /** The worker is gone: everything that waits, and every later call, fails with `error`. */
  die(error: Error): void {
    this.#dead ??= error;
    for (const pending of this.#pending.values()) {
      pending.detach();
      pending.reject(error);
    }
    this.#pending.clear();
  }

  #error(code: WireError['code'], message: string, cause: unknown): Error {
    return this.#toError({ code, message, retryable: false }, cause);
  }
}
