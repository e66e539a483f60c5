/** What goes wrong in the worker: a code, for which the page has the words. */

import type { RekindleErrorCode } from '../errors.js';
import type { WireError } from './messages.js';

/** Thrown in the worker; the page makes a `RekindleError` of it. */
export class Failure extends Error {
  constructor(
    /** Stable code. */
    readonly code: RekindleErrorCode,
    /** Whether the same call may succeed later. */
    readonly retryable = false,
    message = '',
  ) {
    super(message);
  }
}

/** A wasm trap, after which the instance must not be used again. */
export function isCrash(error: unknown): boolean {
  return typeof WebAssembly !== 'undefined' && error instanceof WebAssembly.RuntimeError;
}

/** What the page gets to know of something thrown in the worker. */
export function toWire(error: unknown): WireError {
  const { code, message, retryable } = Object(error) as Record<string, unknown>;
  if (typeof code === 'string') {
    return { code: code as RekindleErrorCode, message: typeof message === 'string' ? message : '', retryable: retryable === true };
  }
  const detail = error instanceof Error ? `A bug in the wallet (${error.name}: ${error.message}).` : '';
  return { code: 'internal', message: detail, retryable: false };
}
