import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorCodes } from '../src/errors.js';

/** The codes that a Rust file gives: the strings on the right of a match arm or of a field `code`, and of calls of `fault`. */
function codesOf(file: string): string[] {
  const source = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
  return [...source.matchAll(/(?:=> |\bcode: |\bfault\()"([a-z_]+)"/g)].map(([, code]) => code ?? '');
}

describe('the codes of the wallet in Rust', () => {
  it.each(['client-core/src/wallet/error.rs', 'client-core/src/wallet/progress.rs'])('%s uses only codes of the API', (file) => {
    const codes = codesOf(file);
    expect(codes).not.toHaveLength(0);
    expect(codes.filter((code) => !(code in errorCodes))).toEqual([]);
  });
});
