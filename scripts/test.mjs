// `npm test [-- PART ...]`: every test of every kind, or only the parts named: rust, wasm, unit,
// browser, firefox, consumers, docs.

import { ensureBuildTools, buildGuardian, buildPackage, buildWeb, compilePackage } from './lib/build.mjs';
import { ensureChromium } from './lib/chromium.mjs';
import { withConsumers } from './lib/consumers.mjs';
import { buildDocs } from './lib/docs.mjs';
import { Failure, main } from './lib/failure.mjs';
import { ensureFirefox } from './lib/firefox.mjs';
import { ensureNpmOf, packageOf, workspaces } from './lib/npm.mjs';
import { at } from './lib/paths.mjs';
import { run } from './lib/run.mjs';
import { checkSizes } from './lib/sizes.mjs';
import { runSteps } from './lib/steps.mjs';
import { checkTarball } from './lib/tarball.mjs';
import { runWasmTests } from './lib/wasm-tests.mjs';

const BROWSER_TESTS = 'tests/browser';

/** For how long the simulation of guardians takes new seeds; a soak sets the variable to hours. */
const SIMULATION_SECONDS = process.env.REKINDLE_SIMULATION_SECONDS ?? '600';

const rustTests = () =>
  run('cargo', ['test', '--workspace'], { label: 'Rust tests', env: { REKINDLE_SIMULATION_SECONDS: SIMULATION_SECONDS } });

async function unitTests() {
  await run(process.execPath, ['--test', '--test-reporter=spec', at('scripts', 'tests')], { label: 'tests of scripts' });
  // The web app's tests import the package as a stranger would: from what its compiler writes.
  await compilePackage();
  for (const folder of workspaces()) {
    if (folder === BROWSER_TESTS || !packageOf(folder).scripts?.test) continue;
    await run('npm', ['run', '--silent', 'test', '--workspace', folder], { label: `tests of ${folder}`, env: { CI: '1' } });
  }
}

async function build() {
  await buildPackage();
  await buildWeb();
  await buildGuardian();
}

/** Runs one of the sets of tests that the configuration of Playwright names. */
async function browserTests(set, env = {}) {
  const { browser } = await ensureChromium();
  await run('npm', ['run', '--silent', 'test', '--workspace', BROWSER_TESTS], {
    label: `browser tests: ${set}`,
    env: { CHROMIUM: browser, CI: '1', REKINDLE_BROWSER_TESTS: set, ...env },
  });
}

async function firefoxTests() {
  await ensureNpmOf('tests/firefox');
  await browserTests('firefox', { FIREFOX: await ensureFirefox() });
}

const consumerTests = () => withConsumers((folder) => browserTests('consumers', { REKINDLE_CONSUMERS: folder }));

async function tools() {
  await ensureBuildTools();
  await ensureChromium();
}

const TOOLS = { name: 'Tools', run: tools };
const BUILD = { name: 'Build for the browser tests', needs: [TOOLS.name], run: build };

/** The steps of each part; a step that several have runs once. */
const PARTS = {
  rust: [{ name: 'Rust tests', needs: [TOOLS.name], run: rustTests }],
  wasm: [{ name: 'Wallet tests in Chromium', needs: [TOOLS.name], run: runWasmTests }],
  unit: [{ name: 'JavaScript tests', needs: [TOOLS.name], run: unitTests }],
  browser: [
    BUILD,
    { name: 'Size of the download', needs: [BUILD.name], run: async () => checkSizes() },
    { name: 'Contents of the npm package', needs: [BUILD.name], run: checkTarball },
    { name: 'End to end in Chromium', needs: [BUILD.name], run: () => browserTests('chromium') },
  ],
  firefox: [BUILD, { name: 'End to end in Firefox', needs: [BUILD.name], run: firefoxTests }],
  consumers: [BUILD, { name: 'The packed package in projects', needs: [BUILD.name], run: consumerTests }],
  docs: [
    { name: 'Documentation', needs: [TOOLS.name], run: buildDocs },
    { name: 'Documentation in Chromium', needs: ['Documentation'], run: () => browserTests('docs') },
  ],
};

await main(async () => {
  const wanted = process.argv.slice(2);
  const unknown = wanted.find((part) => !Object.hasOwn(PARTS, part));
  if (unknown) throw new Failure(`no part "${unknown}"; there are ${Object.keys(PARTS).join(', ')}`);
  const parts = wanted.length > 0 ? wanted : Object.keys(PARTS);
  const passed = await runSteps(new Set([TOOLS, ...parts.flatMap((part) => PARTS[part])]));
  process.exitCode = passed ? 0 : 1;
});
