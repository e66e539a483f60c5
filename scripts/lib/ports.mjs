// TCP ports on this machine.

import { createServer } from 'node:net';

/** Whether a port can be listened on; 0 always can. */
function listen(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const { port: bound } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(bound));
    });
  });
}

/** The wanted port if it is free, else the next free one of the following `tries`, else undefined. */
export async function freePortFrom(wanted, tries = 20) {
  for (let port = wanted; port < wanted + tries; port += 1) {
    if ((await listen(port)) !== undefined) return port;
  }
  return undefined;
}

/** Some free port. */
export const freePort = () => listen(0);
