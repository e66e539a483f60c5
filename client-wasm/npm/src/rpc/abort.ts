/** Abort signals and their error. */

import { RekindleError } from '../errors.js';

/** The error of a call whose signal was aborted; `cause` is the signal's reason. */
export function aborted(signal: AbortSignal): RekindleError {
  return new RekindleError('aborted', undefined, { cause: signal.reason });
}
