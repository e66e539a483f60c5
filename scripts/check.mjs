// `npm run check`: formatting and lints, natively and for the browser, and the TypeScript check.

import { compilePackage } from './lib/build.mjs';
import { main } from './lib/failure.mjs';
import { ensureNpm, ensureNpmOf, npmBin, packageOf, workspaces } from './lib/npm.mjs';
import { at } from './lib/paths.mjs';
import { run } from './lib/run.mjs';
import { runSteps } from './lib/steps.mjs';
import { ensureRustComponents, ensureWasmTarget } from './lib/toolchain.mjs';

const DENY = ['--', '-D', 'warnings'];
const TOOLS = 'Tools';

async function tools() {
  await ensureWasmTarget();
  await ensureRustComponents();
  await ensureNpm();
  await ensureNpmOf('tests/firefox');
}

async function format() {
  await run('cargo', ['fmt', '--all', '--check'], { label: 'rustfmt' });
  await run('cargo', ['fmt', '--check', '--manifest-path', at('tools', 'Cargo.toml')], { label: 'rustfmt of tools' });
}

const clippy = () => run('cargo', ['clippy', '--workspace', '--all-targets', ...DENY], { label: 'clippy' });

const clippyWasm = () =>
  run('cargo', ['clippy', '-p', 'rekindle-wasm', '--all-targets', '--target', 'wasm32-unknown-unknown', ...DENY], { label: 'clippy for wasm32' });

async function types() {
  // Who imports the package needs its type declarations, which the compiler writes.
  await compilePackage();
  await run(`${npmBin}/tsc`, ['-p', at('scripts')], { label: 'type check of scripts' });
  for (const folder of workspaces()) {
    if (!packageOf(folder).scripts?.check) continue;
    await run('npm', ['run', '--silent', 'check', '--workspace', folder], { label: `type check of ${folder}` });
  }
}

await main(async () => {
  const passed = await runSteps([
    { name: TOOLS, run: tools },
    { name: 'Formatting', needs: [TOOLS], run: format },
    { name: 'Type checks', needs: [TOOLS], run: types },
    { name: 'Lints', needs: [TOOLS], run: clippy },
    { name: 'Lints for the browser', needs: [TOOLS], run: clippyWasm },
  ]);
  process.exitCode = passed ? 0 : 1;
});
