// Builds the package into `dist`: scripts, types, and the wasm module.
//
//   --no-worker   leaves the worker and the wasm module as they are, so that no Rust build is needed
//   --accept-api  writes the report of the API, `rekindle.api.md`, and the table of error codes, `docs/errors.md`
//   --check-api   fails if one of them is out of date

import { copyFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildDeclarations } from './declarations.mjs';
import { buildErrorTable } from './error-table.mjs';
import { built, folder, licences, wasm } from './paths.mjs';
import { buildPage, buildWorker } from './scripts.mjs';

const [option] = process.argv.slice(2);
if (!option || option === '--no-worker') {
  await buildPage();
  if (!option) {
    await buildWorker();
    copyFileSync(join(folder, 'pkg', 'wasm', wasm), join(folder, 'dist', wasm));
  }
  for (const licence of licences) copyFileSync(join(folder, '..', '..', licence), join(folder, 'dist', licence));
}
const accept = option === '--accept-api';
const same = [buildDeclarations({ accept }), buildErrorTable({ accept })].every(Boolean);
if (option === '--check-api' && !same) {
  console.error('The API is not what client-wasm/npm/rekindle.api.md and docs/errors.md say. If it is meant to change: npm run api -w client-wasm/npm');
  process.exitCode = 1;
}
// What an older build left behind is not part of the package.
for (const file of readdirSync(join(folder, 'dist'))) {
  if (!built.includes(file)) rmSync(join(folder, 'dist', file), { recursive: true });
}
