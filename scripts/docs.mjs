// `npm run docs`: the documentation site.

import { buildDocs, docsOut } from './lib/docs.mjs';
import { main } from './lib/failure.mjs';
import { heading, note } from './lib/log.mjs';
import { ensureNpm } from './lib/npm.mjs';

await main(async () => {
  heading('Documentation');
  await ensureNpm();
  await buildDocs();
  note(`written to ${docsOut}`);
});
