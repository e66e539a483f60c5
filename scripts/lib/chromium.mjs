// A Chromium and the driver that belongs to it, for tests and benches in a browser.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { toolsDir } from './paths.mjs';
import { installByApt, onPath } from './programs.mjs';
import { capture } from './run.mjs';

const BROWSERS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const DRIVERS = ['chromedriver'];
const APT_PACKAGES = ['chromium', 'chromium-driver'];
const HOW_TO_GET =
  'install Chromium or Chrome and the chromedriver of the same version and put both on PATH ' +
  '(Debian: `apt-get install chromium chromium-driver`), or name them in CHROMIUM and CHROMEDRIVER';

/**
 * Flags for a browser that only ever opens pages of this project on this machine. The sandbox is off
 * because it refuses to start as root and in most containers; the rest keeps the browser from
 * calling home, which stalls where there is no network.
 */
export const chromiumFlags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-dev-shm-usage',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--no-proxy-server',
];

function find() {
  return {
    browser: process.env.CHROMIUM ?? onPath(BROWSERS),
    driver: process.env.CHROMEDRIVER ?? onPath(DRIVERS),
  };
}

async function majorVersion(program) {
  const { stdout } = await capture(program, ['--version']);
  return /(\d+)\.\d+\.\d+/.exec(stdout)?.[1];
}

/** Capabilities that the wasm test runner hands to the driver. */
function writeCapabilities(browser) {
  const file = join(toolsDir, 'webdriver.json');
  mkdirSync(toolsDir, { recursive: true });
  // The runner compares flags without dashes and adds its own `headless`.
  const args = ['headless', ...chromiumFlags.map((flag) => flag.replace(/^--/, ''))];
  writeFileSync(file, JSON.stringify({ 'goog:chromeOptions': { binary: browser, args } }, undefined, 2));
  return file;
}

/**
 * Makes sure that a browser and its driver are there: found, else installed by apt.
 * Returns their paths and the file of capabilities for the wasm test runner.
 */
export async function ensureChromium() {
  let found = find();
  if (!found.browser || !found.driver) {
    let reason = '';
    await installByApt(APT_PACKAGES).catch((error) => (reason = ` (${error.message})`));
    found = find();
    const missing = !found.browser ? 'Chromium' : !found.driver ? 'chromedriver' : undefined;
    if (missing) throw new Failure(`${missing} is missing${reason}: ${HOW_TO_GET}`);
  }
  const [browser, driver] = await Promise.all([majorVersion(found.browser), majorVersion(found.driver)]);
  if (!browser || !driver || browser !== driver) {
    throw new Failure(
      `${found.browser} has version ${browser ?? 'unknown'} but ${found.driver} has ${driver ?? 'unknown'}: ${HOW_TO_GET}`,
    );
  }
  return { ...found, capabilities: writeCapabilities(found.browser) };
}
