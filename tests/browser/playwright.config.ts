import { defineConfig, type Project } from '@playwright/test';
import { chromiumFlags } from '../../scripts/lib/chromium.mjs';

/**
 * Sets of tests. One runs at a time, since all but the first need something installed or built before, which
 * `npm test` sees to: `REKINDLE_BROWSER_TESTS` names it.
 */
const sets: Record<string, Project> = {
  chromium: { testDir: 'tests' },
  consumers: { testDir: '../consumers', timeout: 300_000, use: { actionTimeout: 60_000 } },
  docs: { testDir: '../docs', timeout: 300_000 },
  firefox: { testDir: '../firefox', timeout: 300_000 },
};
const name = process.env['REKINDLE_BROWSER_TESTS'] ?? 'chromium';

export default defineConfig({
  projects: [{ name, ...sets[name] }],
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
