// Where the package is, and what it consists of.

import { fileURLToPath } from 'node:url';

/** The package's folder. */
export const folder = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

/** The wasm module's file. */
export const wasm = 'rekindle_wasm_bg.wasm';

/** Copied from the root of the repository. */
export const licences = ['LICENSE-APACHE', 'LICENSE-MIT'];

/** All that the build leaves in `dist`. */
export const built = ['index.js', 'index.js.map', 'index.d.ts', 'worker.js', 'worker.js.map', wasm, ...licences];
