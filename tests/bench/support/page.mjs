// Pages of a headless browser that can import the built npm package, and nothing else.

import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { chromium } from 'playwright';
import { chromiumFlags, ensureChromium } from '../../../scripts/lib/chromium.mjs';
import { at } from '../../../scripts/lib/paths.mjs';

const PACKAGE = at('client-wasm', 'npm', 'dist');
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm' };

async function serve(request, response) {
  const { pathname } = new URL(request.url, 'http://localhost');
  if (pathname === '/') return response.setHeader('content-type', 'text/html').end('<!doctype html><title>bench</title>');
  const type = TYPES[extname(pathname)];
  if (!type) return response.writeHead(404).end();
  response.setHeader('content-type', type);
  // A URL's path is absolute, so nothing above the package can be named.
  await pipeline(createReadStream(join(PACKAGE, normalize(pathname))), response).catch(() => response.destroy());
}

/**
 * Calls `use` with a function that opens a page on a device of its own, with its own storage. On the page
 * `rekindle` is the package.
 */
export async function withBrowser(use) {
  const { browser: executablePath } = await ensureChromium();
  const server = createServer((request, response) => void serve(request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const browser = await chromium.launch({ executablePath, args: chromiumFlags });
  try {
    return await use(async () => {
      const page = await (await browser.newContext()).newPage();
      await page.goto(`http://127.0.0.1:${port}/`);
      await page.evaluate(async (address) => {
        globalThis.rekindle = await import(address);
      }, '/index.js');
      return page;
    });
  } finally {
    await browser.close();
    server.close();
    server.closeAllConnections();
  }
}
