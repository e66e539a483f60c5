import { defineConfig } from '@playwright/test';
import { chromiumFlags } from '../../scripts/lib/chromium.mjs';

export default defineConfig({
  testDir: 'tests',
  outputDir: 'results',
  // One federation and one browser: two cores are busy with them.
  workers: 1,
  timeout: 180_000,
  expect: { timeout: 20_000 },
  forbidOnly: Boolean(process.env.CI),
  reporter: [['list']],
  use: {
    browserName: 'chromium',
    headless: true,
    actionTimeout: 20_000,
    launchOptions: { executablePath: process.env.CHROMIUM, args: chromiumFlags },
    screenshot: 'only-on-failure',
    trace: 'retain-on-failure',
  },
});
