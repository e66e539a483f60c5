// The browser build of the wallet: compiled, bound to JavaScript, optimised, put where the npm
// package expects it.

import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { orderFunctions } from './function-order.mjs';
import { at, targetDir, toolsBin, toolsDir } from './paths.mjs';
import { npmBin } from './npm.mjs';
import { run } from './run.mjs';
import { shortenNames } from './short-names.mjs';
import { hashFiles, stamped, writeStamp } from './stamp.mjs';

const CRATE = 'rekindle-wasm';
const NAME = 'rekindle_wasm';
const TARGET = 'wasm32-unknown-unknown';

/**
 * For the compressed size. Inlining a large function into its only caller saves a few bytes but makes
 * functions with so many locals that they compress badly: without it, gzip takes 9 percent more off.
 * Functions of up to 5 bytes are hardly longer than a call. The first 1,024 bytes of memory are
 * the far end of the stack and no address in them is valid, so small offsets can be part of every load and store.
 * How addresses are aligned is a hint that browsers' machines don't need; saying it nowhere is another percent.
 */
const OPTIMISE = [
  '-Oz',
  '--converge',
  '--one-caller-inline-max-function-size=40',
  '--always-inline-max-function-size=5',
  '--gufa-optimizing',
  '--low-memory-unused',
  '--dealign',
  '--strip-debug',
  '--strip-producers',
];

/**
 * How everything that runs in a browser is compiled. The small variant of SHA-2, because the wallet
 * hashes history with BLAKE3 and little with this one; secp256k1 in 26-bit limbs, whose products fit
 * into wasm's 64-bit integers, where those of the usual 52-bit limbs are calls, and whose
 * multiplication is not inlined everywhere; functions inlined only where that saves bytes for sure,
 * by a hundred times the usual costs; and no folders of the machine that built it.
 */
const RUSTFLAGS = [
  '--cfg=sha2_backend_soft="compact"',
  '--cfg=cpubits="32"',
  '-Cllvm-args=-inline-instr-cost=500',
  '-Cllvm-args=-inline-call-penalty=2500',
  `--remap-path-prefix=${process.env.CARGO_HOME ?? join(homedir(), '.cargo')}/registry/src=crates`,
];

/**
 * How the module that ships is compiled moreover: with a standard library compiled for it, of which only what the wallet
 * uses remains, and without words that nobody can read. A panic is a trap in either case, and the browser gives a
 * trap no message. Rust's own optimisations go a level further than usual, and what is longer than 8 bytes is copied by
 * WebAssembly's instruction for it, not by loads and stores.
 */
const SMALL = [
  '-Zunstable-options',
  '-Cpanic=immediate-abort',
  '-Zlocation-detail=none',
  '-Zfmt-debug=none',
  '-Zmir-opt-level=3',
  ...['memcpy', 'memmove', 'memset'].map((kind) => `-Cllvm-args=-max-store-${kind}=1`),
];
const SMALL_STD = ['-Zbuild-std=std,panic_abort', '-Zbuild-std-features=optimize_for_size'];

/** Compiled as what the crate also is for its tests, a Rust library, nothing would be optimised across crates. */
const MODULE_ALONE = ['--crate-type', 'cdylib'];

/** A stable Rust takes such options when it is told to; always, because build scripts run anew when this changes. */
const env = (flags) => ({ RUSTC_BOOTSTRAP: '1', CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: flags.join(' ') });

/** The environment in which Cargo compiles tests for the browser. Their panics have words to report. */
export const wasmTestEnv = env(RUSTFLAGS);

/** The Cargo profile of everything that runs in a browser. */
export const wasmProfile = 'wasm-release';

/** Where the glue code and the module go; the package's own build takes them from there. */
const wasmOut = at('client-wasm', 'npm', 'pkg', 'wasm');

/** The optimised module. */
const wasmFile = join(wasmOut, `${NAME}_bg.wasm`);

/** Compiles the wasm module and writes it with its glue code; skips what has not changed. */
export async function buildWasm() {
  const build = ['rustc', '-p', CRATE, '--lib', ...MODULE_ALONE, '--target', TARGET, '--profile', wasmProfile, ...SMALL_STD];
  await run('cargo', build, { label: 'compiling the wasm module', env: env([...RUSTFLAGS, ...SMALL]) });
  const compiled = join(targetDir, TARGET, wasmProfile, `${NAME}.wasm`);
  const hash = hashFiles([compiled, at('tools', 'Cargo.lock'), at('node_modules', 'binaryen', 'package.json'), ...['wasm.mjs', 'short-names.mjs', 'function-order.mjs'].map((file) => at('scripts', 'lib', file))]);
  const stamp = join(wasmOut, '.stamp');
  if (stamped(stamp, hash) && existsSync(wasmFile)) return;

  mkdirSync(toolsDir, { recursive: true });
  const scratch = mkdtempSync(join(toolsDir, 'wasm-'));
  try {
    await run(join(toolsBin, 'wasm-bindgen'), ['--target', 'web', '--no-typescript', '--out-name', NAME, '--out-dir', scratch, compiled], { label: 'wasm-bindgen' });
    const bound = join(scratch, `${NAME}_bg.wasm`);
    const small = join(scratch, 'optimised.wasm');
    await run(join(npmBin, 'wasm-opt'), [bound, '-o', small, ...OPTIMISE], { label: 'wasm-opt' });
    renameSync(small, bound);
    await shortenNames(bound, join(scratch, `${NAME}.js`));
    await orderFunctions(bound);
    // Replace all at once: a half-written pair of glue and module would not load.
    rmSync(wasmOut, { recursive: true, force: true });
    mkdirSync(wasmOut, { recursive: true });
    for (const file of [`${NAME}.js`, `${NAME}_bg.wasm`]) copyFileSync(join(scratch, file), join(wasmOut, file));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  writeStamp(stamp, hash);
}
