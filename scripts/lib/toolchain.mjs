// The Rust toolchain and Node: present, new enough, and with what a wasm build needs.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { note } from './log.mjs';
import { at } from './paths.mjs';
import { capture, run } from './run.mjs';

const WASM_TARGET = 'wasm32-unknown-unknown';
/** The standard library's source: the wasm module brings its own. */
const SOURCE = 'rust-src';
const COMPONENTS = ['rustfmt', 'clippy', SOURCE];
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

/** Makes sure that Rust can compile for the browser, its standard library included. */
export async function ensureWasmTarget() {
  await ensureRust();
  const { stdout } = await capture('rustc', ['--print', 'sysroot']);
  const lacks = (...path) => !existsSync(join(stdout.trim(), 'lib', 'rustlib', ...path));
  if (lacks(WASM_TARGET, 'lib')) await add('target', WASM_TARGET);
  if (lacks('src', 'rust', 'library', 'Cargo.lock')) await add('component', SOURCE);
}

/** Adds a part of Rust that rustup has. */
async function add(kind, name) {
  if (!(await hasRustup())) {
    throw new Failure(`this Rust has no ${kind} ${name}, and rustup is missing: install Rust from https://rustup.rs`);
  }
  note(`adding the Rust ${kind} ${name}`);
  await run('rustup', [kind, 'add', name]);
}

/** Makes sure that the formatter and the linter are there. */
export async function ensureRustComponents() {
  await ensureRust();
  for (const [component, command] of [['rustfmt', 'fmt'], ['clippy', 'clippy']]) {
    if ((await capture('cargo', [command, '--version'])).code === 0) continue;
    await add('component', component);
  }
}
