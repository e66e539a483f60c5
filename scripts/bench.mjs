// `npm run bench [-- NAME-PREFIX]`: measures, prints a table with units, writes target/bench.json.
//
// A group of measurements is a file in tests/bench that exports
//   prefix  what the names of all its results start with,
//   needs   what must be built for it: any of "package", "web", "guardian", "chromium",
//   run     (context) => results, an object of dotted names to numbers; `context.wants(prefix)` says
//           whether results of that name are asked for, so that a group can skip the others.

import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { buildGuardian, buildPackage, buildWeb, ensureBuildTools } from './lib/build.mjs';
import { ensureChromium } from './lib/chromium.mjs';
import { Failure, main } from './lib/failure.mjs';
import { duration, heading, note } from './lib/log.mjs';
import { at } from './lib/paths.mjs';
import { table } from './lib/table.mjs';

const NEEDS = { package: buildPackage, web: buildWeb, guardian: buildGuardian, chromium: ensureChromium };

async function groups() {
  const files = readdirSync(at('tests', 'bench')).filter((file) => file.endsWith('.mjs')).sort();
  return Promise.all(files.map((file) => import(pathToFileURL(at('tests', 'bench', file)).href)));
}

await main(async () => {
  const asked = process.argv[2] ?? '';
  const wants = (prefix) => prefix.startsWith(asked) || asked.startsWith(prefix);
  const all = await groups();
  const wanted = all.filter(({ prefix }) => wants(prefix));
  if (wanted.length === 0) throw new Failure(`nothing is measured as "${asked}"; there are ${all.map(({ prefix }) => prefix).join(', ')}`);

  heading('Tools');
  await ensureBuildTools();
  for (const need of Object.keys(NEEDS)) {
    if (wanted.some(({ needs }) => needs.includes(need))) await NEEDS[need]();
  }

  const results = {};
  const failed = [];
  for (const { prefix, run } of wanted) {
    heading(`Measuring ${prefix}`);
    const started = Date.now();
    try {
      for (const [name, value] of Object.entries(await run({ wants }))) {
        if (name.startsWith(asked)) results[name] = value;
      }
      note(`took ${duration(Date.now() - started)}`);
    } catch (error) {
      failed.push(prefix);
      console.error(error instanceof Failure ? `   failed: ${error.message}` : error);
    }
  }

  heading('Results');
  console.log(table(results));
  const file = at('target', 'bench.json');
  mkdirSync(at('target'), { recursive: true });
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
  note(`written to ${file}`);
  if (failed.length > 0) throw new Failure(`not measured: ${failed.join(', ')}`);
});
