// The wallet's own tests in a real browser, through wasm-pack.

import { delimiter } from 'node:path';
import { ensureChromium } from './chromium.mjs';
import { at, toolsBin } from './paths.mjs';
import { run } from './run.mjs';
import { wasmProfile, wasmTestEnv } from './wasm.mjs';

const TIMEOUT_S = 300;

/** Runs the wasm crate's tests in a headless Chromium, in the profile that ships: pairings need it. */
export async function runWasmTests() {
  const { driver, capabilities } = await ensureChromium();
  await run(
    'wasm-pack',
    ['test', '--headless', '--chrome', '--chromedriver', driver, '--mode', 'no-install', '--', '--profile', wasmProfile],
    {
      // Given as an argument, the crate's path would make wasm-pack misread the options for cargo.
      cwd: at('client-wasm'),
      label: 'wasm tests',
      env: {
        ...wasmTestEnv,
        // Found here, wasm-pack looks for nothing to download.
        PATH: [toolsBin, process.env.PATH].join(delimiter),
        WASM_BINDGEN_TEST_WEBDRIVER_JSON: capabilities,
        WASM_BINDGEN_TEST_TIMEOUT: String(TIMEOUT_S),
      },
    },
  );
}
