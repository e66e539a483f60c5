// What `npm publish` would upload, tried without a registry.

import { built } from '../../client-wasm/npm/build/paths.mjs';
import { Failure } from './failure.mjs';
import { packageOf } from './npm.mjs';
import { at } from './paths.mjs';
import { capture } from './run.mjs';

const FOLDER = 'client-wasm/npm';

/** Everything the npm package consists of. */
const EXPECTED = ['README.md', 'package.json', ...built.map((file) => `dist/${file}`)].sort();

/** Fails if the npm package would lack a file or hold one too many, or point to one that it lacks. */
export async function checkTarball() {
  const { code, stdout, stderr } = await capture('npm', ['publish', '--dry-run', '--json', '--offline', '--loglevel=error'], { cwd: at(FOLDER) });
  if (code !== 0) throw new Failure(`npm would not publish the package: ${stderr}`);
  const [{ files }] = Object.values(JSON.parse(stdout));
  const found = files.map(({ path }) => path).sort();
  const missing = EXPECTED.filter((path) => !found.includes(path));
  const surplus = found.filter((path) => !EXPECTED.includes(path));
  const dangling = targets(packageOf(FOLDER).exports).filter((path) => !found.includes(path));
  const wrong = Object.entries({ missing, surplus, dangling }).filter(([, paths]) => paths.length > 0);
  if (wrong.length > 0) throw new Failure(`the npm package is not in order: ${wrong.map(([what, paths]) => `${what} ${paths.join(', ')}`).join('; ')}`);
}

/** The files that a tree of export conditions ends in. */
function targets(exports) {
  if (typeof exports === 'string') return [exports.replace('./', '')];
  return Object.values(exports).flatMap(targets);
}
