/** Errors on their way from the worker to the page. */

import { errorCodes, isErrorCode } from '../errors.js';
import type { WireError } from './messages.js';

/** A wasm trap, after which the instance must not be used again. */
export function isCrash(error: unknown): boolean {
  return typeof WebAssembly !== 'undefined' && error instanceof WebAssembly.RuntimeError;
}

/** What the page gets to know of something thrown in the worker. */
export function toWire(error: unknown): WireError {
  if (typeof error === 'object' && error !== null) {
    const { code, message, retryable } = error as Record<string, unknown>;
    if (isErrorCode(code)) {
      return { code, message: typeof message === 'string' ? message : errorCodes[code], retryable: retryable === true };
    }
    if (error instanceof DOMException && error.name === 'AbortError') {
      return { code: 'aborted', message: errorCodes.aborted, retryable: false };
    }
  }
  const detail = error instanceof Error ? ` (${error.name}: ${error.message})` : '';
  return { code: 'internal', message: `A bug in the wallet${detail}.`, retryable: false };
}
