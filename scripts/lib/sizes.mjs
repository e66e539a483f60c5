// What a visitor downloads, and the limits that keep it small.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { Failure } from './failure.mjs';
import { note } from './log.mjs';
import { at } from './paths.mjs';
import { wasmFile } from './wasm.mjs';

const KB = 1000;
const LIMITS = { 'wasm.bytes.raw': 800 * KB, 'wasm.bytes.gzip': 300 * KB };

/** Every .js file below a folder. */
function scripts(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.js'))
    .map((file) => join(folder, file));
}

const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length;

/**
 * Sizes in bytes by dotted name: the wasm module raw and compressed, and the npm package's
 * JavaScript (glue code and worker included, as published, not minified) compressed file by file.
 */
export function measureSizes() {
  const wasm = readFileSync(wasmFile);
  const js = scripts(at('client-wasm', 'npm', 'dist')).map((file) => gzip(readFileSync(file)));
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
