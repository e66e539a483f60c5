/** The packed package in projects as people have them: each recovers a wallet from live guardians in a browser. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContext } from '@playwright/test';
import { freePort } from '../../scripts/lib/ports.mjs';
import { at } from '../../scripts/lib/paths.mjs';
import { capture } from '../../scripts/lib/run.mjs';
import { Service } from '../../scripts/lib/service.mjs';
import { FORGED_WORDS } from '../browser/harness/federations.js';
import { expect, elsewhere as test } from '../browser/harness/fixtures.js';
import { withStaticServer } from '../browser/harness/static-server.js';

/** Where `npm test -- consumers` has installed the projects. */
const folder = process.env['REKINDLE_CONSUMERS'] ?? '';

const QUIET = { NO_COLOR: '1', FORCE_COLOR: '0', NEXT_TELEMETRY_DISABLED: '1' };
const READY_MS = 90_000;

/** The policy that the documentation tells people to send: what it says must be enough. */
function documentedPolicy(): Record<string, string> {
  const [, policy] = /```http\nContent-Security-Policy: (.+?)\n```/s.exec(readFileSync(at('docs', 'security.md'), 'utf8')) ?? [];
  if (!policy) throw new Error('docs/security.md has no policy');
  return { 'content-security-policy': policy.replaceAll(/\n\s*/g, ' ') };
}

async function npm(project: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await capture('npm', ['run', '--silent', script], { cwd: join(folder, project), env: QUIET });
  if (code !== 0) throw new Error(`npm run ${script} in ${project} ended with ${code}:\n${stdout}${stderr}`);
  return stdout;
}

/** Runs the project's own server while `use` runs. */
async function withServer(project: string, script: string, use: (url: string) => Promise<void>): Promise<void> {
  const port = await freePort();
  const args = ['run', '--silent', script, '--', '--port', String(port)];
  const service = new Service(project, 'npm', args, { cwd: join(folder, project), env: QUIET });
  try {
    await service.waitFor((line) => line.includes(`:${port}`), { timeoutMs: READY_MS });
    await use(`http://127.0.0.1:${port}/`);
  } finally {
    await service.stop();
  }
}

test.skip(!folder, 'the projects are installed by `npm test -- consumers`');

/** Recovers the forged wallet on a page, and finds it there again after a reload. */
const recovers = test.extend<{ recover: (url: string) => Promise<void> }>({
  recover: async ({ newDevice, watch, forged }, use) => {
    watch.keepWordsSecret(FORGED_WORDS.split(' '));
    await use(async (url) => {
      const device: BrowserContext = await newDevice();
      const page = await device.newPage();
      // The first answer waits until the page has shown that it waits.
      let shown: Promise<void> | undefined;
      const showsProgress = () => (shown ??= page.getByRole('progressbar', { name: 'Recovery' }).waitFor());
      await page.route(/\/v1\/recovery\?/, async (route) => {
        await showsProgress();
        await route.continue();
      });
      await page.goto(url);
      await page.getByRole('textbox', { name: 'Twelve words' }).fill(FORGED_WORDS);
      await page.getByRole('textbox', { name: 'Invite code' }).fill(forged.invite);
      await page.getByRole('button', { name: 'Recover' }).click();
      await showsProgress();

      const balance = `${forged.history.balance_sats.toLocaleString('en-US')} sats`;
      await expect(page.getByRole('status')).toHaveText(balance, { timeout: 60_000 });
      await page.reload();
      await expect(page.getByRole('status')).toHaveText(balance);
      await device.close();
    });
  },
});

recovers('no bundler: examples/bare-html, under the documented policy', async ({ recover }) => {
  await withStaticServer(folder, documentedPolicy(), (url) => recover(`${url}/examples/bare-html/`));
});

recovers('Vite, development server: examples/react', async ({ recover }) => {
  await withServer('examples/react', 'dev', recover);
});

recovers('Vite, build: examples/react', async ({ recover }) => {
  await npm('examples/react', 'build');
  await withStaticServer(join(folder, 'examples/react/dist'), documentedPolicy(), recover);
});

recovers('Vite, build: examples/svelte', async ({ recover }) => {
  await npm('examples/svelte', 'build');
  await withStaticServer(join(folder, 'examples/svelte/dist'), documentedPolicy(), recover);
});

recovers('webpack 5', async ({ recover }) => {
  await npm('projects/webpack', 'build');
  await withStaticServer(folder, documentedPolicy(), (url) => recover(`${url}/projects/webpack/`));
});

recovers('esbuild, with the URLs of worker and wasm', async ({ recover }) => {
  await npm('projects/esbuild', 'build');
  await withStaticServer(folder, documentedPolicy(), (url) => recover(`${url}/projects/esbuild/`));
});

recovers('Next, a page rendered on the server', async ({ recover, request }) => {
  await npm('projects/next', 'build');
  await withServer('projects/next', 'start', async (url) => {
    expect(await (await request.get(url)).text()).toMatch(/knows \d+ errors/);
    await recover(url);
  });
});

test('Node, import only', async () => {
  expect(await npm('projects/node', 'start')).toContain('import is safe');
});
