// wasm-bindgen, its test runner and wasm-pack, built once from the crate in `tools/` into a cache
// folder. A prebuilt download would be quicker but needs a host that not every network can reach,
// and `cargo install` follows no lock file of ours.

import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { note } from './log.mjs';
import { at, toolsBin, toolsDir } from './paths.mjs';
import { run } from './run.mjs';
import { hashFiles, stamped, writeStamp } from './stamp.mjs';
import { ensureWasmTarget } from './toolchain.mjs';

const TOOLS = ['wasm-bindgen', 'wasm-bindgen-test-runner', 'wasm-pack'];

/** The version of a crate in a Cargo.lock, or undefined. */
function locked(lockFile, crate) {
  if (!existsSync(lockFile)) return undefined;
  return new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`).exec(readFileSync(lockFile, 'utf8'))?.[1];
}

/** The glue generator refuses a module that was compiled against another version. */
function checkVersions() {
  const tool = locked(at('tools', 'Cargo.lock'), 'wasm-bindgen-cli');
  const crate = locked(at('Cargo.lock'), 'wasm-bindgen');
  if (crate && crate !== tool) {
    throw new Failure(`Cargo.lock has wasm-bindgen ${crate} but tools/ builds ${tool}: pin the same version in both`);
  }
}

/** Makes sure that the wasm build tools are in the cache folder, and returns that folder. */
export async function ensureWasmTools() {
  await ensureWasmTarget();
  checkVersions();
  const crate = at('tools');
  const sources = readdirSync(join(crate, 'src', 'bin')).sort().map((file) => join(crate, 'src', 'bin', file));
  const hash = hashFiles([join(crate, 'Cargo.toml'), join(crate, 'Cargo.lock'), ...sources]);
  const stamp = join(toolsDir, 'wasm-tools.stamp');
  if (stamped(stamp, hash) && TOOLS.every((tool) => existsSync(join(toolsBin, tool)))) return toolsBin;

  note('building the wasm tools, once (2 to 5 minutes)');
  const target = join(crate, 'target');
  await run('cargo', ['build', '--locked'], {
    label: 'building the wasm tools',
    cwd: crate,
    env: { CARGO_TARGET_DIR: target },
  });
  mkdirSync(toolsBin, { recursive: true });
  for (const tool of TOOLS) {
    // A rename replaces even a binary that is running.
    const fresh = join(toolsBin, `.${tool}.new`);
    copyFileSync(join(target, 'debug', tool), fresh);
    chmodSync(fresh, 0o755);
    renameSync(fresh, join(toolsBin, tool));
  }
  writeStamp(stamp, hash);
  return toolsBin;
}
