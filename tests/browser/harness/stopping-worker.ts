/** A worker that stops for good as soon as its wallet's store has taken a batch, and tells what was in it. */

import type { BrowserContext } from '@playwright/test';

/** Where the worker asks to go on; nobody answers. */
const STOP = '/stopped-after-writing';

/** The workers of a device, one after the other: each gets as far as its first write. */
export class StoppingWorker {
  /** The keys that each write put, in order. */
  readonly written: string[][] = [];
  #prepared: Promise<void> | undefined;
  #told = () => {};

  private constructor() {}

  /** From now on the device's workers stop. */
  static async install(device: BrowserContext): Promise<StoppingWorker> {
    const stopping = new StoppingWorker();
    device.on('page', (page) => page.on('worker', (worker) => (stopping.#prepared = worker.evaluate(stopAfterWriting, STOP))));
    // The wallet itself comes after that.
    await device.route('**/*.wasm', async (route) => {
      await stopping.#prepared;
      await route.continue();
    });
    await device.route(`**${STOP}?*`, (route) => {
      stopping.written.push(new URL(route.request().url()).searchParams.getAll('key'));
      stopping.#told();
    });
    return stopping;
  }

  /** Waits for the next write. */
  next(): Promise<true> {
    return new Promise((resolve) => (this.#told = () => resolve(true)));
  }
}

/** Runs in the worker. The listener is the first one, so nobody learns that the batch was written. */
function stopAfterWriting(stop: string): void {
  const keys = new WeakMap<IDBTransaction, URLSearchParams>();
  const { transaction } = IDBDatabase.prototype;
  const { put } = IDBObjectStore.prototype;
  IDBDatabase.prototype.transaction = function (...args: Parameters<typeof transaction>) {
    const begun = transaction.apply(this, args);
    if (begun.mode !== 'readwrite') return begun;
    const put = new URLSearchParams();
    keys.set(begun, put);
    begun.addEventListener('complete', () => {
      const forEver = new XMLHttpRequest();
      forEver.open('GET', `${stop}?${put}`, false);
      forEver.send();
    });
    return begun;
  };
  IDBObjectStore.prototype.put = function (value, key) {
    keys.get(this.transaction)?.append('key', new TextDecoder().decode(key as Uint8Array));
    return put.call(this, value, key);
  };
}
