/**
 * What every browser test starts from: a federation, the served wallet app, and devices.
 *
 * The federation and the app live as long as the test worker. A device is a browser profile of its
 * own: what one stores no other sees, and closing its page keeps its storage, as on a real device.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test as base, type BrowserContext } from '@playwright/test';
import { startFederation, type Federation } from '../../../scripts/lib/federation.mjs';
import { freePort } from '../../../scripts/lib/ports.mjs';
import { servePreview } from '../../../scripts/lib/preview.mjs';
import { ConsoleWatch } from './console-watch.js';

export { expect } from '@playwright/test';

/** Opens a new device on the wallet app. */
export type NewDevice = () => Promise<BrowserContext>;

type TestFixtures = {
  /** Makes devices; they are closed after the test. */
  newDevice: NewDevice;
  /** What the pages of all devices wrote to their consoles; errors fail the test. */
  consoleWatch: ConsoleWatch;
};

type WorkerFixtures = {
  /** Four guardians on fresh data. */
  federation: Federation;
  /** The wallet app's URL. */
  appUrl: string;
};

/** Playwright's `test` with these fixtures. */
export const test = base.extend<TestFixtures, WorkerFixtures>({
  federation: [
    // Playwright reads the pattern to learn which fixtures this one needs: none.
    async ({}, use) => {
      const data = mkdtempSync(join(tmpdir(), 'rekindle-federation-'));
      const federation = await startFederation({ data, args: ['--base-port', '0'] });
      await use(federation);
      await federation.stop();
      rmSync(data, { recursive: true });
    },
    { scope: 'worker', timeout: 150_000 },
  ],

  appUrl: [
    async ({ federation }, use) => {
      const { service, url } = await servePreview({ port: await freePort(), devJson: federation.devJson });
      await use(url);
      await service.stop();
    },
    { scope: 'worker', timeout: 90_000 },
  ],

  baseURL: ({ appUrl }, use) => use(appUrl),

  consoleWatch: [
    async ({}, use, testInfo) => {
      const watch = new ConsoleWatch();
      await use(watch);
      await testInfo.attach('console', { body: watch.transcript, contentType: 'text/plain' });
      watch.assertClean();
    },
    { auto: true },
  ],

  context: async ({ context, consoleWatch }, use) => {
    consoleWatch.follow(context);
    await use(context);
  },

  newDevice: async ({ browser, baseURL, consoleWatch }, use) => {
    const devices: BrowserContext[] = [];
    await use(async () => {
      const device = await browser.newContext({ baseURL: baseURL! });
      consoleWatch.follow(device);
      devices.push(device);
      return device;
    });
    for (const device of devices) await device.close();
  },
});
