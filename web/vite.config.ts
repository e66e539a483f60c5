import { fileURLToPath } from 'node:url';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';
import { contentSecurityPolicy } from './vite/content-security-policy.ts';
import { devFederation } from './vite/dev-federation.ts';

const fakeWallet = fileURLToPath(new URL('./tests/fake/rekindle.ts', import.meta.url));

export default defineConfig(({ mode }) => ({
  plugins: [svelte(), devFederation(), contentSecurityPolicy()],
  // `vite --mode fake` runs the app on a simulated federation, without wasm or guardians.
  resolve: mode === 'fake' ? { alias: { rekindle: fakeWallet } } : {},
  worker: { format: 'es' },
  build: { target: 'es2022' },
  test: { include: ['tests/**/*.test.ts'] },
}));
