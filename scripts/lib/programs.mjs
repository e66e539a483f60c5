// Programs that this machine has or can get.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { note } from './log.mjs';
import { capture, run } from './run.mjs';

/** The first program of these names on PATH, or undefined. */
export function onPath(names) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of names) {
      const file = join(folder, name);
      try {
        accessSync(file, constants.X_OK);
        return file;
      } catch {
        // Not here; look on.
      }
    }
  }
  return undefined;
}

/** How to run a program as root without a question: [] as root, sudo where it needs no password. */
async function asRoot() {
  if (process.getuid?.() === 0) return [];
  if (onPath(['sudo']) && (await capture('sudo', ['-n', 'true'])).code === 0) return ['sudo', '-n'];
  return undefined;
}

/** Installs packages where there is apt and it may be run; does nothing elsewhere. */
export async function installByApt(packages) {
  const prefix = onPath(['apt-get']) && (await asRoot());
  if (!prefix) return;
  note(`installing ${packages.join(' and ')} by apt`);
  const apt = (...args) => {
    const [command, ...rest] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...args];
    return run(command, rest, { label: `apt-get ${args[0]}` });
  };
  // One unreachable source of packages need not be the one that is wanted.
  await apt('update', '-q').catch((error) => note(error.message));
  await apt('install', '-q', '-y', '--no-install-recommends', ...packages);
}
