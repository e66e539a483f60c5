/**
 * A proxy in front of one guardian that can be told to misbehave.
 *
 * What it makes up carries the same CORS headers as a guardian's answers, and preflights are always
 * passed on: so the wallet judges the answer, not the browser. Bodies are streamed and never held.
 */

import { createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Transform, pipeline } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/**
 * - `pass`: forwards
 * - `corrupt`: forwards, with flipped bits in every body
 * - `html`: answers with a web page, as a captive portal does
 * - `huge`: answers with a body that does not end
 * - `hang`: takes the request and never answers
 * - `busy`: answers 503 with `Retry-After`
 */
export type Fault = 'pass' | 'corrupt' | 'html' | 'huge' | 'hang' | 'busy';

const HTML = '<!doctype html><html><head><title>Welcome</title></head><body><h1>Please sign in to this network</h1></body></html>';
const MADE_UP = { 'access-control-allow-origin': '*', 'access-control-expose-headers': '*', 'cache-control': 'no-store' };
const ZEROS = Buffer.alloc(64 * 1024);
/** One bit is flipped in so many bytes, and at least one in each chunk. */
const FLIP_EVERY = 16 * 1024;

/** The proxy; it listens from `start` to `stop`. */
export class FaultProxy {
  /** What it does with the requests that begin from now on. */
  fault: Fault = 'pass';
  /** Bytes per second that each body is slowed down to; unlimited while undefined. */
  bytesPerSecond: number | undefined;
  #misbehaved = 0;
  #target: URL | undefined;
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((incoming, outgoing) => this.#answer(incoming, outgoing));
  }

  /** Starts a proxy on a free port; it forwards once `target` is set. */
  static async start(): Promise<FaultProxy> {
    const proxy = new FaultProxy();
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** Where wallets reach it. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The guardian's own URL. */
  set target(url: string) {
    this.#target = new URL(url);
  }

  /** How many requests were answered otherwise than by the guardian. */
  get misbehaved(): number {
    return this.#misbehaved;
  }

  /** Behaves again, and counts from zero. */
  reset(): void {
    this.fault = 'pass';
    this.bytesPerSecond = undefined;
    this.#misbehaved = 0;
  }

  /** Stops at once; open requests are cut off. */
  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    if (this.fault === 'pass' || incoming.method === 'OPTIONS') return this.#forward(incoming, outgoing, false);
    this.#misbehaved += 1;
    if (this.fault !== 'corrupt') incoming.resume();
    switch (this.fault) {
      case 'corrupt':
        return this.#forward(incoming, outgoing, true);
      case 'html':
        outgoing.writeHead(200, { ...MADE_UP, 'content-type': 'text/html' }).end(HTML);
        return;
      case 'busy':
        outgoing.writeHead(503, { ...MADE_UP, 'retry-after': '1' }).end();
        return;
      case 'huge':
        outgoing.writeHead(200, { ...MADE_UP, 'content-type': 'application/octet-stream' });
        return pourForEver(outgoing);
      case 'hang':
        return;
    }
  }

  #forward(incoming: IncomingMessage, outgoing: ServerResponse, corrupt: boolean): void {
    const target = this.#target;
    if (!target) throw new Error('the proxy has no target yet');
    const headers = { ...incoming.headers, host: target.host };
    // "Not modified" has no body to corrupt.
    if (corrupt) delete headers['if-none-match'];
    const { method, url: path } = incoming;
    const onward = request({ host: target.hostname, port: target.port, method, path, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      const steps = [...(corrupt ? [flipBits()] : []), ...(this.bytesPerSecond ? [throttle(this.bytesPerSecond)] : [])];
      // Either side may hang up; `pipeline` then ends the other.
      pipeline([response, ...steps, outgoing], () => {});
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  }
}

function flipBits(): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const flipped = Buffer.from(chunk);
      for (let at = Math.floor(Math.min(chunk.length, FLIP_EVERY) / 2); at < chunk.length; at += FLIP_EVERY) {
        flipped[at]! ^= 1;
      }
      done(null, flipped);
    },
  });
}

function throttle(bytesPerSecond: number): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      void delay((chunk.length / bytesPerSecond) * 1000).then(() => done(null, chunk));
    },
  });
}

function pourForEver(outgoing: ServerResponse): void {
  if (outgoing.destroyed) return;
  if (outgoing.write(ZEROS)) setImmediate(pourForEver, outgoing);
  else outgoing.once('drain', () => pourForEver(outgoing));
}
