// Where things are. Every script works from any current directory.

import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

/** A path below the root. */
export const at = (...parts) => join(root, ...parts);

/** What the scripts build or write for themselves; survives `cargo clean`. */
export const toolsDir = at('.tools');

/** The wasm build tools, first on PATH of whatever needs them. */
export const toolsBin = join(toolsDir, 'bin');

/** Cargo's output. */
export const targetDir = resolve(process.env.CARGO_TARGET_DIR ?? at('target'));

/** The guardian binary that `npm start`, the end-to-end tests and the benches share. */
export const guardianBinary = join(targetDir, 'release', 'guardian');
