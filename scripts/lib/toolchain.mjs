// The Rust toolchain and Node: present, new enough, and with what a wasm build needs.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { note } from './log.mjs';
import { at } from './paths.mjs';
import { capture, run } from './run.mjs';

const WASM_TARGET = 'wasm32-unknown-unknown';
const COMPONENTS = ['rustfmt', 'clippy'];
const NODE = '20.19.0';

/** Whether dotted version `a` is at least `b`. */
export function atLeast(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map((part) => parseInt(part, 10) || 0));
  for (let i = 0; i < right.length; i += 1) {
    const difference = (left[i] ?? 0) - right[i];
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Fails unless Node is new enough. */
export function ensureNode() {
  const found = process.versions.node;
  if (!atLeast(found, NODE)) throw new Failure(`Node.js ${found} is too old: install ${NODE} or newer from https://nodejs.org`);
}

/** The oldest Rust release that the workspace accepts. */
function wantedRust() {
  return /^rust-version = "([\d.]+)"/m.exec(readFileSync(at('Cargo.toml'), 'utf8'))[1];
}

async function hasRustup() {
  try {
    return (await capture('rustup', ['--version'])).code === 0;
  } catch {
    return false;
  }
}

/** Whether rustup has the toolchain that rust-toolchain.toml names. */
async function hasToolchain(channel) {
  const { stdout } = await capture('rustup', ['toolchain', 'list']);
  return stdout.split('\n').some((line) => line.startsWith(`${channel}-`) || line.startsWith(`${channel} `));
}

/**
 * Installs the toolchain that rust-toolchain.toml names, if rustup lacks it. One that is installed is
 * never updated: other projects on this machine may count on it.
 */
async function installMissingToolchain() {
  const channel = /^channel = "([^"]+)"/m.exec(readFileSync(at('rust-toolchain.toml'), 'utf8'))[1];
  if (process.env.RUSTUP_TOOLCHAIN || !(await hasRustup()) || (await hasToolchain(channel))) return;
  note(`installing the Rust toolchain ${channel}`);
  const components = COMPONENTS.flatMap((component) => ['--component', component]);
  await run('rustup', ['toolchain', 'install', channel, '--no-self-update', '--profile', 'minimal', '--target', WASM_TARGET, ...components]);
}

/** Makes sure that cargo and rustc work in this repository and are new enough. */
export async function ensureRust() {
  await installMissingToolchain();
  const version = await capture('rustc', ['--version']);
  if (version.code !== 0) throw new Failure(`rustc does not run: ${version.stderr.split('\n')[0]}`);
  const [, found] = /^rustc (\S+)/.exec(version.stdout) ?? [];
  const wanted = wantedRust();
  if (!found || !atLeast(found, wanted)) {
    throw new Failure(`Rust ${found} is too old, ${wanted} is needed: run \`rustup update stable\``);
  }
  await capture('cargo', ['--version']);
  await ensureLinker();
}

/** Crates with C or assembly parts, and every link, need a C compiler. */
async function ensureLinker() {
  try {
    await capture(process.env.CC ?? 'cc', ['--version']);
  } catch {
    throw new Failure('a C compiler is missing: install one (Debian and Ubuntu: `apt-get install build-essential`)');
  }
}

/** Makes sure that Rust can compile for the browser. */
export async function ensureWasmTarget() {
  await ensureRust();
  const { stdout } = await capture('rustc', ['--print', 'sysroot']);
  if (existsSync(join(stdout.trim(), 'lib', 'rustlib', WASM_TARGET, 'lib'))) return;
  if (!(await hasRustup())) {
    throw new Failure(`this Rust cannot compile for ${WASM_TARGET}, and rustup is missing: install Rust from https://rustup.rs`);
  }
  note(`adding the Rust target ${WASM_TARGET}`);
  await run('rustup', ['target', 'add', WASM_TARGET]);
}

/** Makes sure that the formatter and the linter are there. */
export async function ensureRustComponents() {
  await ensureRust();
  for (const [component, command] of [['rustfmt', 'fmt'], ['clippy', 'clippy']]) {
    if ((await capture('cargo', [command, '--version'])).code === 0) continue;
    if (!(await hasRustup())) throw new Failure(`${component} is missing: install it with your Rust`);
    note(`adding the Rust component ${component}`);
    await run('rustup', ['component', 'add', component]);
  }
}
