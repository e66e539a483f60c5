// What a visitor downloads, and the limits that keep it small.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { Failure } from './failure.mjs';
import { note } from './log.mjs';
import { at } from './paths.mjs';

const KB = 1000;
const LIMITS = { 'wasm.bytes.raw': 540 * KB, 'wasm.bytes.gzip': 217 * KB, 'wasm.bytes.brotli': 180 * KB, 'js.bytes.gzip': 12 * KB };

const dist = at('client-wasm', 'npm', 'dist');

const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length;

/**
 * Sizes in bytes by dotted name: the wasm module raw and compressed, and the npm package's two scripts (the
 * worker's holds the glue code) compressed one by one.
 */
export function measureSizes() {
  const read = (file) => readFileSync(join(dist, file));
  const wasm = read('rekindle_wasm_bg.wasm');
  const js = ['index.js', 'worker.js'].map((file) => gzip(read(file)));
  return {
    'wasm.bytes.raw': wasm.length,
    'wasm.bytes.gzip': gzip(wasm),
    'wasm.bytes.brotli': brotliCompressSync(wasm).length,
    'js.bytes.gzip': js.reduce((sum, size) => sum + size, 0),
  };
}

/** Prints the sizes beside their limits. */
export function printSizes() {
  for (const [name, size] of Object.entries(measureSizes())) {
    const limit = LIMITS[name];
    const verdict = limit ? ` of at most ${limit / KB}${size > limit ? ': TOO BIG' : ''}` : '';
    note(`${name.padEnd(18)} ${(size / KB).toFixed(1).padStart(7)} KB${verdict}`);
  }
}

/** Fails when a size is above its limit. */
export function checkSizes() {
  const sizes = measureSizes();
  const tooBig = Object.keys(LIMITS).filter((name) => sizes[name] > LIMITS[name]);
  if (tooBig.length > 0) throw new Failure(`above the limit: ${tooBig.map((name) => `${name} ${sizes[name]} of ${LIMITS[name]}`).join(', ')}`);
}
