// Short names between the wasm module and its glue code, and short functions there.
//
// wasm-bindgen names every import after what it calls, with a hash. Nobody reads these names, they hardly
// compress, and they are there twice: a fifth of the glue code goes with them.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { npmBin } from './npm.mjs';
import { capture } from './run.mjs';

const PASS = '--minify-imports-and-exports-and-modules';

/** An import in the glue code: its name at the start of a line, its function up to the next one. */
const IMPORT = /^ {8}(\w+): (function[^]*?^(?: {8}\}|.*arguments\);? ?\}),\n)/gm;

/** Renames what `module` and `glue` share, in both files, and drops what the module no longer asks for. */
export async function shortenNames(module, glue) {
  const { code, stdout, stderr } = await capture(join(npmBin, 'wasm-opt'), [module, '-o', module, PASS]);
  if (code !== 0) throw new Failure(`wasm-opt could not shorten names: ${stderr}`);
  const { imports, exports } = JSON.parse(stdout);
  const text = renameImports(readFileSync(glue, 'utf8'), imports);
  writeFileSync(glue, classChecks(arrows(modern(renameExports(text, exports)))));
}

/** What the glue code does for browsers that have no module workers. */
const DATED = [
  [/\(typeof FinalizationRegistry === 'undefined'\)\s*\? \{[^}]*\{\}[^}]*\{\} \}\s*: /g, ''],
  [/if \(!\('encodeInto' in cachedTextEncoder\)\) \{[^]*?\n\}\n/, ''],
];

/** The glue code without it. */
function modern(text) {
  return DATED.reduce((rest, [dated, now]) => {
    const without = rest.replace(dated, now);
    if (without === rest) throw new Failure(`the glue code has no ${dated}`);
    return without;
  }, text);
}

/** Imports as arrow functions: none uses `this`. */
function arrows(text) {
  return text
    .replace(/function\(\) \{ return handleError\(function \(([^)]*)\) (\{[^]*?\n {8}\}), arguments\); \}/g, '(...all) => handleError(($1) => $2, all)')
    .replace(/^( {8}\w+: )function\(([^)]*)\) \{/gm, '$1($2) => {');
}

const CLASS_CHECK = /let result;\s*try \{\s*result = (arg0 instanceof \w+);\s*\} catch \(_\) \{\s*result = false;\s*\}\s*const ret = result;\s*return ret;/g;

/** Checks of an object's class, each of which expects that the browser has no such class, in one function. */
function classChecks(text) {
  const short = text.replace(CLASS_CHECK, 'return holds(() => $1);');
  if (short === text) throw new Failure('the glue code checks no class');
  return `${short}\nfunction holds(check) {\n    try {\n        return check();\n    } catch {\n        return false;\n    }\n}\n`;
}

function renameImports(text, imports) {
  const short = new Map(imports.map(([, name, to]) => [name, to]));
  const seen = new Set();
  const renamed = text.replace(IMPORT, (_, name, value) => {
    if (!short.has(name)) return '';
    seen.add(name);
    return `        ${short.get(name)}: ${value}`;
  });
  const missing = [...short.keys()].filter((name) => !seen.has(name));
  if (missing.length > 0) throw new Failure(`the glue code has no ${missing.join(', ')}`);
  const [from] = imports[0];
  // The pass gives all imports one module of this name.
  return renamed.replace(JSON.stringify(from), '"a"');
}

function renameExports(text, exports) {
  const short = new Map(exports);
  const called = (name) => {
    if (!short.has(name)) throw new Failure(`the wasm module does not export ${name}`);
    return `wasm.${short.get(name)}`;
  };
  const renamed = text.replace(/\bwasm\.(\w+)/g, (_, name) => called(name));
  // What the glue code gives to its caller are the exports, of which the package uses one.
  const given = renamed.replaceAll('return wasm;', `return { memory: ${called('memory')} };`);
  if (given === renamed) throw new Failure('the glue code does not give out the exports');
  return given;
}
