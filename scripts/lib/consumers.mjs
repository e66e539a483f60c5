// Projects that use the package as strangers do: the examples and those in tests/consumers, copied out
// of the repository, with the packed tarball installed.

import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { note } from './log.mjs';
import { QUIET } from './npm.mjs';
import { at } from './paths.mjs';
import { capture, run } from './run.mjs';

const CONSUMERS = at('tests', 'consumers');
const LOCK = 'package-lock.json';

/** What is copied; what earlier runs left in the folders is not. */
const SOURCES = { examples: at('examples'), projects: join(CONSUMERS, 'projects') };
const LEFTOVERS = /[\\/](node_modules|dist|\.next)$/;

/**
 * Copies the projects side by side into a new folder outside the repository, where nothing of it can
 * be found by accident. They are one npm workspace with one lock file, which does not name the package
 * itself: every build of that has another hash.
 */
function copyProjects() {
  const folder = mkdtempSync(join(tmpdir(), 'rekindle-consumers-'));
  cpSync(join(CONSUMERS, 'package.json'), join(folder, 'package.json'));
  if (existsSync(join(CONSUMERS, LOCK))) cpSync(join(CONSUMERS, LOCK), join(folder, LOCK));
  for (const [name, source] of Object.entries(SOURCES)) {
    cpSync(source, join(folder, name), { recursive: true, filter: (file) => !LEFTOVERS.test(file) });
    for (const project of readdirSync(join(folder, name))) removeDependency(join(folder, name, project, 'package.json'));
  }
  return folder;
}

function removeDependency(file) {
  if (!existsSync(file)) return;
  const { dependencies: { rekindle, ...dependencies } = {}, ...rest } = JSON.parse(readFileSync(file, 'utf8'));
  if (rekindle) writeFileSync(file, JSON.stringify({ ...rest, dependencies }, undefined, 2));
}

/** Packs the built package into a folder and returns the tarball. */
async function pack(folder) {
  const { code, stdout, stderr } = await capture('npm', ['pack', at('client-wasm', 'npm'), '--pack-destination', folder, '--json', '--loglevel=error']);
  if (code !== 0) throw new Failure(`npm pack failed: ${stderr.trim()}`);
  return join(folder, JSON.parse(stdout)[0].filename);
}

async function npm(folder, args, label) {
  await run('npm', [...args, ...QUIET], { cwd: folder, label }).catch((error) => {
    const hint = `is the package registry reachable? (\`npm ping\`) After a change of dependencies: \`npm run lock:consumers\``;
    throw error instanceof Failure ? new Failure(`${error.message}; ${hint}`) : error;
  });
}

/** Runs `use` on a folder with all projects and everything they depend on; then removes it. */
export async function withConsumers(use) {
  const folder = copyProjects();
  try {
    note('installing what the consumers need');
    await npm(folder, ['ci', '--prefer-offline'], 'npm ci of the consumers');
    note('installing the packed package');
    await npm(folder, ['install', '--no-save', await pack(folder)], 'npm install of the package');
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Writes the consumers' lock file anew where it does not fit their dependencies. */
export async function lockConsumers() {
  const folder = copyProjects();
  try {
    await npm(folder, ['install', '--package-lock-only', '--omit-lockfile-registry-resolved'], 'npm install of the consumers');
    cpSync(join(folder, LOCK), join(CONSUMERS, LOCK));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
