// How many complete sessions a guardian serves each second, and how many nginx serves of the same bytes as files,
// one after the other on the same machine with the same client.

import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { Failure } from '../../scripts/lib/failure.mjs';
import { note } from '../../scripts/lib/log.mjs';
import { targetDir } from '../../scripts/lib/paths.mjs';
import { capture, run as runProgram } from '../../scripts/lib/run.mjs';
import { Service } from '../../scripts/lib/service.mjs';
import { inFolder, withForgedFederation } from './support/federation.mjs';
import { options } from './support/options.mjs';

export const prefix = 'api.sessions';
export const needs = ['guardian'];

const SESSIONS = 2_000;
const CONNECTIONS = 32;
const READY_MS = 10_000;

/** Requests per second, the same of nginx, and the ratio. */
export async function run() {
  await runProgram('cargo', ['build', '--release', '-p', 'rekindle-tests', '--bin', 'read'], { label: 'compiling the reader' });
  const nginx = await capture('nginx', ['-v']).catch(() => undefined);
  const { tx } = options();
  return withForgedFederation({ sessions: SESSIONS, tx }, async ({ federation }) => {
    const { host } = new URL(federation.guardians[0]);
    const requests = await read(host);
    const results = { [`${prefix}.req_per_s`]: requests };
    if (nginx === undefined) {
      note('nginx is missing, so nothing is compared with it: install it with `apt-get install nginx`');
      return results;
    }
    const theirs = await inFolder((folder) => withNginx(folder, federation.guardians[0], read));
    return { ...results, [`${prefix}.nginx.req_per_s`]: theirs, [`${prefix}.vs_nginx`]: requests / theirs };
  });
}

async function read(host) {
  const { seconds } = options();
  const { code, stdout, stderr } = await capture(join(targetDir, 'release', 'read'), [host, SESSIONS, CONNECTIONS, seconds].map(String));
  if (code !== 0) throw new Failure(`reading from ${host} failed: ${stderr}`);
  return Number(stdout);
}

/** Calls `use` with the address of nginx serving what the guardian serves, as files. */
async function withNginx(folder, guardian, use) {
  const files = join(folder, 'files', 'v1', 'sessions');
  mkdirSync(files, { recursive: true });
  for (let session = 0; session < SESSIONS; session += 1) {
    const answer = await fetch(`${guardian}/v1/sessions/${session}`);
    writeFileSync(join(files, String(session)), Buffer.from(await answer.arrayBuffer()));
  }
  const host = `127.0.0.1:${await freePort()}`;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((what) => `${what}_temp_path ${folder}/${what};`);
  const config = join(folder, 'nginx.conf');
  writeFileSync(
    config,
    `${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes auto; daemon off; pid ${folder}/pid; error_log stderr notice;
     events { worker_connections 1024; }
     http {
       access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; default_type application/octet-stream; ${temporary.join(' ')}
       server { listen ${host}; root ${folder}/files; }
     }`,
  );
  const service = new Service('nginx', 'nginx', ['-c', config]);
  try {
    await service.waitFor((line) => line.includes('start worker process '), { timeoutMs: READY_MS });
    return await use(host);
  } finally {
    await service.stop();
  }
}

async function freePort() {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  await once(server.close(), 'close');
  return port;
}
