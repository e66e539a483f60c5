// The built wallet app, served as a web server would.

import { Failure } from './failure.mjs';
import { at } from './paths.mjs';
import { npmBin } from './npm.mjs';
import { Service } from './service.mjs';
import { join } from 'node:path';

const READY_MS = 60_000;

/**
 * Serves the wallet app on a free port and returns the service and the app's URL.
 * `devJson` is the file that describes the dev federation to the welcome page.
 */
export async function servePreview({ port, devJson }) {
  const service = new Service('wallet', join(npmBin, 'vite'), ['preview', '--host', '127.0.0.1', '--port', String(port), '--strictPort'], {
    cwd: at('web'),
    env: { ...(devJson ? { REKINDLE_DEV_JSON: devJson } : {}), NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  const url = `http://127.0.0.1:${port}/`;
  await service.waitFor((line) => line.includes(`:${port}`), { timeoutMs: READY_MS });
  const response = await fetch(url);
  if (!response.ok) throw new Failure(`the wallet app answers ${response.status} at ${url}`);
  return { service, url };
}
