// npm packages, installed only when their lists changed: those of the root with its workspaces, which
// everybody needs, and those of folders with a lock file of their own, which only their part needs.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { note } from './log.mjs';
import { at } from './paths.mjs';
import { run } from './run.mjs';
import { hashFiles, stamped, writeStamp } from './stamp.mjs';
import { ensureNode } from './toolchain.mjs';

/** Folders of the workspaces that exist, relative to the root. */
export function workspaces() {
  const { workspaces: listed } = JSON.parse(readFileSync(at('package.json'), 'utf8'));
  return listed.filter((folder) => existsSync(at(folder, 'package.json')));
}

/** A workspace's package.json. */
export function packageOf(folder) {
  return JSON.parse(readFileSync(at(folder, 'package.json'), 'utf8'));
}

/** Keeps npm quiet about what nobody asked for. */
export const QUIET = ['--no-audit', '--no-fund', '--loglevel=error'];

/** Makes sure that node_modules holds what package-lock.json names. */
export async function ensureNpm() {
  ensureNode();
  const lists = () => hashFiles([at('package-lock.json'), at('package.json'), ...workspaces().map((folder) => at(folder, 'package.json'))]);
  const stamp = at('node_modules', '.rekindle.stamp');
  if (stamped(stamp, lists())) return;
  note('installing npm packages');
  // `ci` trusts only the lock file but starts from nothing; `install` keeps what is there.
  const command = existsSync(stamp) || !existsSync(at('package-lock.json')) ? 'install' : 'ci';
  await run('npm', [command, ...QUIET], { label: `npm ${command}` });
  writeStamp(stamp, lists());
}

/** Makes sure that a folder with a lock file of its own has what that names; from npm's cache where it can be. */
export async function ensureNpmOf(folder) {
  ensureNode();
  const hash = hashFiles([at(folder, 'package-lock.json'), at(folder, 'package.json')]);
  const stamp = at(folder, 'node_modules', '.rekindle.stamp');
  if (stamped(stamp, hash)) return;
  note(`installing npm packages of ${folder}`);
  await run('npm', ['ci', '--prefer-offline', ...QUIET], { label: `npm ci of ${folder}`, cwd: at(folder) });
  writeStamp(stamp, hash);
}

/** The folder of an installed package's programs, for PATH. */
export const npmBin = join(at('node_modules'), '.bin');
