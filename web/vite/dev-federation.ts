/** Serves `/dev-federation.json`: what the app needs to know of a federation on this machine. */

import { readFile } from 'node:fs/promises';
import type { Connect, Plugin } from 'vite';

/** Names the file that `guardian dev` writes. Read anew per request: the federation may restart. */
const envName = 'REKINDLE_DEV_JSON';

/** The same answer from the development server and from the preview server. */
export function devFederation(): Plugin {
  return {
    name: 'rekindle:dev-federation',
    configureServer: (server) => void server.middlewares.use('/dev-federation.json', answer),
    configurePreviewServer: (server) => void server.middlewares.use('/dev-federation.json', answer),
  };
}

const answer: Connect.NextHandleFunction = async (_request, response) => {
  const file = process.env[envName];
  try {
    const body = file ? await readFile(file) : undefined;
    response.setHeader('Content-Type', 'application/json');
    response.setHeader('Cache-Control', 'no-store');
    response.statusCode = body ? 200 : 404;
    response.end(body ?? JSON.stringify({ code: 'no_dev_federation' }));
  } catch {
    response.statusCode = 503;
    response.end(JSON.stringify({ code: 'dev_federation_unreadable' }));
  }
};
