// Builds the package into `dist`: scripts, types, and the wasm module if it was compiled.
//
//   --accept-api  writes the report of the API, `rekindle.api.md`
//   --check-api   builds nothing but the types, and fails if `rekindle.api.md` is out of date

import { copyFileSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildDeclarations } from './declarations.mjs';
import { built, folder, licences, wasm } from './paths.mjs';
import { buildScripts } from './scripts.mjs';

const [option] = process.argv.slice(2);
if (option !== '--check-api') {
  await buildScripts();
  const compiled = join(folder, 'pkg', 'wasm', wasm);
  if (existsSync(compiled)) copyFileSync(compiled, join(folder, 'dist', wasm));
  for (const licence of licences) copyFileSync(join(folder, '..', '..', licence), join(folder, 'dist', licence));
}
const same = buildDeclarations({ accept: option === '--accept-api' });
if (option === '--check-api' && !same) {
  console.error('The API is not the one that client-wasm/npm/rekindle.api.md reports. If it is meant to change: npm run api -w client-wasm/npm');
  process.exitCode = 1;
}
// What an older build left behind is not part of the package.
for (const file of readdirSync(join(folder, 'dist'))) {
  if (!built.includes(file)) rmSync(join(folder, 'dist', file), { recursive: true });
}
