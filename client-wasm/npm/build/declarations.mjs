// The package's type declarations in one file, and the report of its API.
//
// The report, `rekindle.api.md`, is committed: a change of the API shows in review as a change of that file,
// and the check fails while it is out of date.

import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';
import { folder } from './paths.mjs';

const types = join(folder, 'pkg', 'types');
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc');

/**
 * Writes `dist/index.d.ts`, and `rekindle.api.md` if `accept` says so. Returns whether the API is the one that
 * `rekindle.api.md` reports.
 */
export function buildDeclarations({ accept }) {
  rmSync(types, { recursive: true, force: true });
  execFileSync(process.execPath, [compiler, '-p', join(folder, 'tsconfig.build.json')], { stdio: 'inherit' });
  const config = ExtractorConfig.prepare({
    configObjectFullPath: join(folder, 'api-extractor.json'),
    packageJsonFullPath: join(folder, 'package.json'),
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: join(types, 'index.d.ts'),
      compiler: { overrideTsconfig: { compilerOptions: { ...compilerOptions }, include: [types] } },
      apiReport: { enabled: true, reportFileName: 'rekindle', reportFolder: folder, reportTempFolder: join(folder, 'pkg') },
      docModel: { enabled: false },
      dtsRollup: { enabled: true, untrimmedFilePath: join(folder, 'dist', 'index.d.ts') },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
    },
  });
  const problems = [];
  const { apiReportChanged } = Extractor.invoke(config, {
    localBuild: accept,
    messageCallback(message) {
      message.handled = true;
      if (message.category === 'console' || ignored.has(message.messageId)) return;
      if (message.logLevel !== 'none') problems.push(message.formatMessageWithLocation(folder));
    },
  });
  const report = readFileSync(join(folder, 'pkg', 'rekindle.api.md'), 'utf8');
  if (untyped.test(report.replaceAll(text, ''))) problems.push('`any` is no type for an API');
  if (problems.length > 0) throw new Error(`the type declarations are not in order:\n${problems.join('\n')}`);
  return !apiReportChanged;
}

const compilerOptions = { target: 'es2023', module: 'nodenext', lib: ['es2023', 'esnext.disposable', 'dom', 'dom.iterable'], types: [], strict: true };

const untyped = /\bany\b/;
const text = /"[^"\n]*"/g;

/** Everything here is public, and the parser does not know that names may be overloaded. */
const ignored = new Set(['ae-missing-release-tag', 'ae-unresolved-link']);
