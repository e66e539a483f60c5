// The parts that can be built, each in one function, so that `npm start`, `npm test`, `npm run build`
// and `npm run bench` make exactly the same things.

import { heading } from './log.mjs';
import { ensureNpm } from './npm.mjs';
import { run } from './run.mjs';
import { printSizes } from './sizes.mjs';
import { ensureRust } from './toolchain.mjs';
import { buildWasm } from './wasm.mjs';
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

/** What pages import of the npm package, and its types. */
export async function compilePackage() {
  await packageBuild('--no-worker');
}

async function packageBuild(...options) {
  await run('npm', ['run', '--silent', 'build', '--workspace', 'client-wasm/npm', '--', ...options], { label: 'building the npm package' });
}

/** The npm package, whole; prints its size. */
export async function buildPackage() {
  heading('npm package');
  await buildWasm();
  await packageBuild();
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
