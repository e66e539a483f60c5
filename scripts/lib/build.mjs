// The parts that can be built, each in one function, so that `npm start`, `npm test`, `npm run build`
// and `npm run bench` make exactly the same things.

import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { heading } from './log.mjs';
import { ensureNpm } from './npm.mjs';
import { at } from './paths.mjs';
import { run } from './run.mjs';
import { printSizes } from './sizes.mjs';
import { ensureRust } from './toolchain.mjs';
import { buildWasm, wasmOut } from './wasm.mjs';
import { ensureWasmTools } from './wasm-tools.mjs';

/** Everything that a build needs; quick when it is all there. */
export async function ensureBuildTools() {
  await ensureRust();
  await ensureNpm();
  await ensureWasmTools();
}

/** The guardian, optimised: the one binary that dev federation, browser tests and benches run. */
export async function buildGuardian() {
  heading('Guardian');
  await run('cargo', ['build', '--release', '-p', 'rekindle-guardian', '--bins'], { label: 'compiling the guardian' });
}

/** The compiler leaves behind what it wrote for sources that are gone. */
function removeStaleScripts() {
  const dist = at('client-wasm', 'npm', 'dist');
  for (const entry of readdirSync(dist)) {
    if (join(dist, entry) !== wasmOut) rmSync(join(dist, entry), { recursive: true });
  }
}

/** The npm package's TypeScript alone: enough for whoever only imports it or needs its types. */
export async function compilePackage() {
  await run('npm', ['run', '--silent', 'build', '--workspace', 'client-wasm/npm'], { label: 'compiling TypeScript' });
}

/** The npm package: wasm module, then TypeScript; prints its size. */
export async function buildPackage() {
  heading('npm package');
  await buildWasm();
  removeStaleScripts();
  await compilePackage();
  printSizes();
}

/** The wallet app, from the npm package. */
export async function buildWeb() {
  heading('Wallet app');
  await run('npm', ['run', '--silent', 'build', '--workspace', 'web'], { label: 'building the wallet app' });
}

/** Everything, in the order in which parts need each other. */
export async function buildAll() {
  heading('Tools');
  await ensureBuildTools();
  await buildPackage();
  await buildWeb();
  await buildGuardian();
}
