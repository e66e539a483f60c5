/** A `Worker` that runs the real server in this process, behind real structured clones. */

import type { Engine } from '../src/rpc/engine.js';
import type { Request, Response } from '../src/rpc/messages.js';
import { type LoadEngine, type ServerPort, serve } from '../src/rpc/server.js';

/** What the next workers serve, and what has become of those that started. */
export class FakeWorkers {
  /** Every worker started, oldest first. */
  readonly started: FakeWorker[] = [];
  load: LoadEngine = () => Promise.reject(new Error('no engine set'));

  /** Serves this engine from now on. */
  use(engine: Partial<Engine>): void {
    this.load = () => Promise.resolve(engine as Engine);
  }

  /** The class to put in place of the global `Worker`. */
  workerClass(): typeof Worker {
    const workers = this;
    return class extends FakeWorker {
      constructor(url: string | URL, options?: WorkerOptions) {
        super(url, options, (wasmUrl) => workers.load(wasmUrl));
        workers.started.push(this);
      }
    } as unknown as typeof Worker;
  }
}

export class FakeWorker {
  readonly url: string;
  readonly options: WorkerOptions | undefined;
  /** Every message that left the worker. */
  readonly sent: Response[] = [];
  terminated = false;
  onmessage: ((event: { data: Response }) => void) | null = null;
  onerror: ((event: { message: string }) => void) | null = null;
  readonly #channel = new MessageChannel();

  constructor(url: string | URL, options: WorkerOptions | undefined, load: LoadEngine) {
    this.url = url.toString();
    this.options = options;
    this.#channel.port1.onmessage = ({ data }) => {
      this.sent.push(data as Response);
      if (!this.terminated) this.onmessage?.({ data: data as Response });
    };
    serve(this.#channel.port2 as unknown as ServerPort, load);
  }

  postMessage(message: Request): void {
    this.#channel.port1.postMessage(message);
  }

  terminate(): void {
    this.terminated = true;
    this.#channel.port1.close();
    this.#channel.port2.close();
  }
}
