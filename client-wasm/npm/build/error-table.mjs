// The table of all error codes, `docs/errors.md`, written from their one definition in `src/errors.ts`.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder } from './paths.mjs';

const file = join(folder, '..', '..', 'docs', 'errors.md');

const intro = `# Errors

<!-- Written by \`npm run api -w client-wasm/npm\` from client-wasm/npm/src/errors.ts; not by hand. -->

Every call of the npm package that fails rejects with a \`RekindleError\`. Its \`code\` is one of these and changes only
with a major version; \`retryable\` says whether the same call may succeed later. \`isRekindleError()\` recognises errors of
other copies of the package, too.
`;

/** Writes the table if `accept` says so. Returns whether the file holds what the source says. */
export function buildErrorTable({ accept }) {
  const source = readFileSync(join(folder, 'src', 'errors.ts'), 'utf8');
  const [, codes] = /errorCodes = \{\n(.*?)\n\} as const/s.exec(source);
  const table = intro + codes.split('\n').filter((line) => line.trim()).map(row).join('\n') + '\n';
  if (accept) writeFileSync(file, table);
  return existsSync(file) && readFileSync(file, 'utf8') === table;
}

function row(line) {
  const [, group] = /^ {2}\/\/ (.*)$/.exec(line) ?? [];
  if (group) return `\n## ${group}\n\n| code | meaning |\n|---|---|`;
  const [, code, meaning] = /^ {2}(\w+): '(.*)',$/.exec(line) ?? [];
  if (!code) throw new Error(`src/errors.ts: one code a line, please: ${line}`);
  return `| \`${code}\` | ${meaning} |`;
}
