// The size of the wasm module that a visitor downloads.

import { measureSizes } from '../../scripts/lib/sizes.mjs';

export const prefix = 'wasm.bytes';
export const needs = ['package'];

/** Bytes raw and compressed by gzip and brotli. */
export const run = async () => pick(measureSizes());

const pick = (sizes) => Object.fromEntries(Object.entries(sizes).filter(([name]) => name.startsWith(prefix)));
