// The documentation site: API pages from the types, code blocks checked against them, then VitePress.

import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compilePackage } from './build.mjs';
import { ensureNpmOf } from './npm.mjs';
import { at } from './paths.mjs';
import { run } from './run.mjs';

const DOCS = at('docs');
const SNIPPETS = at('docs', '.vitepress', 'cache', 'snippets');

/** The built site. */
export const docsOut = at('docs', '.vitepress', 'dist');

/** Every TypeScript block of a page, in order. */
export function codeBlocks(markdown) {
  return [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
}

/** Writes each block of the pages as a module of its own, so that the compiler can judge it. */
function writeSnippets() {
  rmSync(SNIPPETS, { recursive: true, force: true });
  mkdirSync(SNIPPETS, { recursive: true });
  for (const page of readdirSync(DOCS).filter((file) => file.endsWith('.md'))) {
    codeBlocks(readFileSync(join(DOCS, page), 'utf8')).forEach((code, index) => {
      writeFileSync(join(SNIPPETS, `${page}-${index + 1}.ts`), `${code}export {};\n`);
    });
  }
}

/** Builds the site. */
export async function buildDocs() {
  await ensureNpmOf('docs');
  // Code blocks import the package as a reader would.
  await compilePackage();
  writeSnippets();
  await run(join(DOCS, 'node_modules', '.bin', 'tsc'), ['-p', 'tsconfig.json'], { label: 'type check of code blocks', cwd: DOCS });
  rmSync(join(DOCS, 'api'), { recursive: true, force: true });
  await run('npm', ['run', '--silent', 'api'], { label: 'API reference', cwd: DOCS });
  await run('npm', ['run', '--silent', 'build'], { label: 'building the site', cwd: DOCS });
}
