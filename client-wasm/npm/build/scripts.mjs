// The package's two scripts: each one file, minified, with a source map that holds the sources.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';
import { folder, wasm } from './paths.mjs';

const glue = join(folder, 'pkg', 'wasm', 'rekindle_wasm.js');
const dist = join(folder, 'dist');

/**
 * Bundlers find a worker or a file by this form, most of them only when the path is in quotation
 * marks. The minifier writes backquotes; what replaces them is as long, so the source map holds.
 */
const assetUrl = /new URL\(`([^`$]+)`,import\.meta\.url\)/g;

/** The glue code's advice on media types goes to the console; who follows no advice waits a little longer. */
const minify = { compress: { target: 'es2023', dropConsole: true }, mangle: { toplevel: true }, codegen: { removeWhitespace: true } };

/** Who copies these files by hand needs no third one, so nothing is shared between them. */
async function bundle(entry, expectedAsset) {
  mkdirSync(dist, { recursive: true });
  const build = await rolldown({
    input: join(folder, 'src', `${entry}.ts`),
    platform: 'browser',
    tsconfig: join(folder, 'tsconfig.json'),
    resolve: { alias: { './wasm/rekindle_wasm.js': glue } },
  });
  const { output } = await build.generate({ format: 'es', minify, comments: false, sourcemap: true, codeSplitting: false });
  await build.close();
  const assets = [];
  for (const file of output) {
    if (file.type === 'chunk') {
      const code = file.code
        .replace(assetUrl, (_, path) => (assets.push(path), `new URL('${path}',import.meta.url)`))
        .replace('{type:`module`}', "{type:'module'}");
      writeFileSync(join(dist, `${entry}.js`), code);
    } else {
      writeFileSync(join(dist, file.fileName), file.source);
    }
  }
  // A second place that names the wasm file would make some bundlers ship it twice.
  if (assets.join() !== expectedAsset) throw new Error(`${entry}.js refers to ${assets.join() || 'nothing'} instead of ${expectedAsset}`);
}

/** Writes `index.js`, which pages import. */
export const buildPage = () => bundle('index', './worker.js');

/** Writes `worker.js`, from the glue code of the wasm build too. */
export const buildWorker = () => bundle('worker', wasm);
