// Remembers the input of a step by its hash, so that the step is skipped while nothing changed.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { root } from './paths.mjs';

/** Hash of the given files' contents and names; a missing file counts as such. */
export function hashFiles(files) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const file of files) {
    const bytes = existsSync(file) ? readFileSync(file) : undefined;
    hash.update(`\0${relative(root, file)}\0${bytes?.length ?? 'none'}\0`).update(bytes ?? '');
  }
  return hash.digest('hex');
}

/** Whether the stamp file holds this hash. */
export function stamped(file, hash) {
  return existsSync(file) && readFileSync(file, 'utf8') === hash;
}

/** Writes the stamp; call it after the step succeeded. */
export function writeStamp(file, hash) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, hash);
}
