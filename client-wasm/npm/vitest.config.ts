import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const fakeWasm = fileURLToPath(new URL('./tests/fake-wasm.ts', import.meta.url));

export default defineConfig({
  // Tests here run without a Rust build; the real module is tested in a browser.
  resolve: { alias: [{ find: /^.*\/wasm\/rekindle_wasm\.js$/, replacement: fakeWasm }] },
  test: { include: ['tests/**/*.test.ts'] },
});
