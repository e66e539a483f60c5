/** A plain web server for a folder, as much as bundles without a server of their own need. */

import { createReadStream, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';

const TYPES: Record<string, string> = {
  '.css': 'text/css',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.wasm': 'application/wasm',
};

/** Serves `folder` with the given headers on a free port, while `use` runs. */
export async function withStaticServer(folder: string, headers: Record<string, string>, use: (url: string) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => answer(folder, headers, request, response));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function answer(folder: string, headers: Record<string, string>, request: IncomingMessage, response: ServerResponse): void {
  // An absolute path that is normalised cannot climb out of the folder.
  let file = join(folder, normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname)));
  if (file.endsWith('/')) file += 'index.html';
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    response.writeHead(404).end();
    return;
  }
  response.writeHead(200, { ...headers, 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' });
  createReadStream(file).pipe(response);
}
