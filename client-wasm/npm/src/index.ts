/**
 * A wallet for federated e-cash that comes back from twelve words.
 *
 * @packageDocumentation
 */

export { RekindleError, errorCodes, isRekindleError } from './errors.js';
export type { RekindleErrorCode, RekindleErrorOptions } from './errors.js';
export { Wallet } from './wallet.js';
export type * from './types.js';
