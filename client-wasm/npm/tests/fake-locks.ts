/** The part of the Web Locks API that is used: exclusive locks, first come first served. */

type Hold = () => Promise<void>;

export class FakeLocks {
  readonly #queues = new Map<string, (() => void)[]>();

  async request(name: string, { signal }: { signal?: AbortSignal }, hold: Hold): Promise<void> {
    const queue = this.#queues.get(name) ?? [];
    this.#queues.set(name, queue);
    if (signal?.aborted) throw signal.reason;
    await new Promise<void>((resolve, reject) => {
      queue.push(resolve);
      if (queue[0] === resolve) resolve();
      signal?.addEventListener('abort', () => {
        const at = queue.indexOf(resolve);
        if (at > 0) queue.splice(at, 1);
        reject(signal.reason);
      });
    });
    await hold();
    queue.shift();
    queue[0]?.();
  }
}
