/**
 * What every browser test starts from: federations, the served wallet app, and devices.
 *
 * Federations and the app live as long as the test worker. A device is a browser profile of its own:
 * what one stores no other sees, and closing its page keeps its storage, as on a real device.
 */

import { test as base, type BrowserContext, type BrowserContextOptions } from '@playwright/test';
import { freePort } from '../../../scripts/lib/ports.mjs';
import { servePreview } from '../../../scripts/lib/preview.mjs';
import { DeviceWatch } from './device-watch.js';
import { forge, readForged, withFederation, type ForgedHistory, type ProxiedFederation } from './federations.js';
import { WalletPage } from './wallet-page.js';

export { expect } from '@playwright/test';

/** 40 MB: recovery takes a few seconds and several snapshots. */
const FORGED_SESSIONS = 6_000;

type TestFixtures = {
  /** Opens a new device; all are closed after the test. */
  newDevice: (options?: BrowserContextOptions) => Promise<BrowserContext>;
  /** Opens the wallet app on a new device. */
  newWallet: (options?: BrowserContextOptions) => Promise<WalletPage>;
  /** What all devices wrote and asked for; errors and leaks fail the test. */
  watch: DeviceWatch;
};

type WorkerFixtures = {
  /** Four guardians on new data. */
  federation: ProxiedFederation;
  /** Four guardians on a long history. */
  forged: ProxiedFederation & { history: ForgedHistory };
  /** The wallet app's URL. It knows the invite code and the faucet of `federation`. */
  appUrl: string;
};

/** Playwright's `test` with these fixtures. */
export const test = base.extend<TestFixtures, WorkerFixtures>({
  federation: [
    // Playwright reads the pattern to learn which fixtures this one needs: none.
    async ({}, use) => withFederation(use),
    { scope: 'worker', timeout: 150_000 },
  ],

  forged: [
    async ({}, use) =>
      withFederation(
        (federation, data) => use({ ...federation, history: readForged(data) }),
        (data) => forge(data, FORGED_SESSIONS),
      ),
    { scope: 'worker', timeout: 300_000 },
  ],

  appUrl: [
    async ({ federation }, use) => {
      const { service, url } = await servePreview({ port: await freePort(), devJson: federation.guardians.devJson });
      await use(url);
      await service.stop();
    },
    { scope: 'worker', timeout: 90_000 },
  ],

  baseURL: ({ appUrl }, use) => use(appUrl),

  watch: [
    async ({}, use, testInfo) => {
      const watch = new DeviceWatch();
      await use(watch);
      await testInfo.attach('console', { body: watch.transcript, contentType: 'text/plain' });
      watch.assertClean();
    },
    { auto: true },
  ],

  context: async ({ context, watch }, use) => {
    watch.follow(context);
    await use(context);
  },

  newDevice: async ({ browser, baseURL, watch }, use) => {
    const devices: BrowserContext[] = [];
    await use(async (options = {}) => {
      const device = await browser.newContext({ ...(baseURL && { baseURL }), ...options });
      watch.follow(device);
      devices.push(device);
      return device;
    });
    for (const device of devices) await device.close();
  },

  newWallet: async ({ newDevice, watch }, use) => {
    await use(async (options) => WalletPage.open(await newDevice(options), watch));
  },
});

/** The same for pages that are not the wallet app's, and that a test serves by itself. */
export const elsewhere = test.extend({ baseURL: async ({}, use) => use(undefined) });
