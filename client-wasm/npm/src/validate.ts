/** Checks of arguments that need no wallet, so that a typo fails at once and with a code. */

import { RekindleError } from './errors.js';

const namePattern = /^[A-Za-z0-9_-]{1,64}$/;
/** Amounts are 64-bit in the protocol; a larger bigint would wrap around on its way into wasm. */
const maxAmount = 2n ** 64n - 1n;

/** A wallet's name, or the default one. */
export function checkName(name: string | undefined): string {
  if (name === undefined) return 'default';
  if (typeof name === 'string' && namePattern.test(name)) return name;
  throw new RekindleError('name_invalid', 'A wallet name has 1 to 64 letters, digits, - or _.');
}

/** A string without surrounding space. Whether it makes sense is for the wallet to say. */
export function checkText(field: string, value: unknown): string {
  if (typeof value === 'string') return value.trim();
  throw new RekindleError('argument_invalid', `\`${field}\` must be a string.`);
}

/** A passphrase in the one form that Unicode has for what was typed, or none. */
export function checkPassphrase(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '') return value.normalize('NFKC');
  throw new RekindleError('argument_invalid', 'A passphrase is a string that is not empty.');
}

/** An amount above zero that fits the protocol. */
export function checkAmount(value: unknown): bigint {
  if (typeof value !== 'bigint') {
    throw new RekindleError('amount_invalid', 'An amount is a bigint, like 21n.');
  }
  if (value <= 0n) throw new RekindleError('amount_invalid', 'The amount must be above zero.');
  if (value > maxAmount) throw new RekindleError('amount_too_large');
  return value;
}

/** How many operations to return. */
export function checkLimit(limit: number | undefined): number {
  if (limit === undefined) return 100;
  if (Number.isInteger(limit) && limit >= 1 && limit <= 1000) return limit;
  throw new RekindleError('argument_invalid', '`limit` must be a whole number from 1 to 1000.');
}

/** Seed words as one string with single spaces. */
export function joinWords(words: unknown): string {
  const parts = typeof words === 'string' ? [words] : words;
  if (Array.isArray(parts) && parts.every((part) => typeof part === 'string')) {
    return parts.join(' ').trim().toLowerCase().split(/\s+/).join(' ');
  }
  throw new RekindleError('argument_invalid', '`words` must be a string or a list of strings.');
}
