/**
 * The page's worker, shared by all its wallets and counted.
 *
 * It starts with the first call and ends a moment after the last wallet is closed; the moment lets
 * `exists` followed by `open` use one worker. A worker that crashed is forgotten, so that the next call
 * starts a new one.
 */

import { RekindleError, fromWire } from './errors.js';
import { Listeners } from './listeners.js';
import { RpcClient } from './rpc/client.js';
import type {
  EngineCalls,
  EngineMethod,
  Request,
  Response,
  WalletCalls,
  WalletHandle,
  WalletMethod,
} from './rpc/messages.js';
import type { HostOptions, WalletEvents } from './types.js';

/** How long a worker without wallets is kept. */
const lingerMs = 2_000;

const hosts = new Map<string, Host>();

/** The worker for these options, started if need be. Every acquisition needs one `release`. */
export function acquireHost(options: HostOptions | undefined): Host {
  const workerUrl = options?.workerUrl?.toString();
  const wasmUrl = options?.wasmUrl?.toString();
  const key = JSON.stringify([workerUrl, wasmUrl]);
  let host = hosts.get(key);
  if (!host) {
    host = new Host(startWorker(workerUrl), wasmUrl, () => hosts.delete(key));
    hosts.set(key, host);
  }
  return host.retain();
}

/** The two branches stay apart: bundlers recognise only the literal form of the second one. */
function startWorker(workerUrl: string | undefined): Worker {
  if (typeof Worker === 'undefined') {
    throw new RekindleError('worker_failed', 'A wallet needs a browser with module workers.');
  }
  try {
    if (workerUrl !== undefined) return new Worker(workerUrl, { type: 'module' });
    return new Worker(new URL('./worker.js', import.meta.url), { type: 'module' });
  } catch (cause) {
    throw new RekindleError('worker_failed', undefined, { cause });
  }
}

/** One worker with the wallets that are open in it. */
export class Host {
  readonly #worker: Worker;
  readonly #rpc: RpcClient;
  readonly #forget: () => void;
  readonly #wallets = new Map<WalletHandle, Listeners<WalletEvents>>();
  #users = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;
  /** Whether the worker ever spoke: what fails before is a failure to load. */
  #spoke = false;
  #dead = false;
  /** Ends with the worker. */
  readonly #end = new AbortController();

  constructor(worker: Worker, wasmUrl: string | undefined, forget: () => void) {
    this.#worker = worker;
    this.#forget = forget;
    this.#rpc = new RpcClient((message) => this.#post(message), fromWire);
    worker.onmessage = (event: MessageEvent<Response>) => this.#receive(event.data);
    worker.onmessageerror = () => this.#die(new RekindleError('internal', 'The worker sent something unreadable.'));
    worker.onerror = (event: ErrorEvent) => {
      event.preventDefault?.();
      this.#die(this.#spoke ? crashed(event.message) : new RekindleError('worker_failed', undefined, { cause: event.error ?? event.message }));
    };
    this.#post({ type: 'init', wasmUrl });
    this.#watchPage();
  }

  /** Whether the worker is gone. */
  get dead(): boolean {
    return this.#dead;
  }

  /** Counts one more user. */
  retain(): this {
    this.#users += 1;
    clearTimeout(this.#linger);
    return this;
  }

  /** Counts one user less; the last one ends the worker a moment later. */
  release(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#linger = setTimeout(() => this.#die(new RekindleError('wallet_closed')), lingerMs);
  }

  /** A call that needs no wallet. */
  call<M extends EngineMethod>(
    method: M,
    params: EngineCalls[M]['params'],
    signal?: AbortSignal,
  ): Promise<EngineCalls[M]['result']> {
    return this.#rpc.call(method, params, { signal }) as Promise<EngineCalls[M]['result']>;
  }

  /** Opens a wallet. One that opens after the caller gave up is closed again. */
  openWallet<M extends 'create' | 'open' | 'recover'>(
    method: M,
    params: EngineCalls[M]['params'],
    signal?: AbortSignal,
  ): Promise<WalletHandle> {
    const onLate = (handle: unknown) => void this.closeWallet(handle as WalletHandle);
    return this.#rpc.call(method, params, { signal, onLate }) as Promise<WalletHandle>;
  }

  /** A call on an open wallet. */
  callWallet<M extends WalletMethod>(
    wallet: WalletHandle,
    method: M,
    params: WalletCalls[M]['params'],
    signal?: AbortSignal,
  ): Promise<WalletCalls[M]['result']> {
    return this.#rpc.call(method, params, { wallet, signal }) as Promise<WalletCalls[M]['result']>;
  }

  /** Where the events of an open wallet go. */
  attach(wallet: WalletHandle, listeners: Listeners<WalletEvents>): void {
    this.#wallets.set(wallet, listeners);
  }

  /** Closes a wallet, and erases it if so asked. A wallet whose worker is gone is closed already. */
  async closeWallet(wallet: WalletHandle, method: 'close' | 'closeAndErase' = 'close'): Promise<void> {
    this.#wallets.get(wallet)?.close();
    this.#wallets.delete(wallet);
    await this.#rpc.call(method, {}, { wallet });
  }

  #receive(message: Response): void {
    this.#spoke = true;
    switch (message.type) {
      case 'result':
      case 'error':
        return this.#rpc.receive(message);
      case 'change':
        return this.#wallets.get(message.wallet)?.emit('change', undefined);
      case 'recovery':
        return this.#wallets.get(message.wallet)?.emit('recovery', message.progress);
      case 'crashed':
        return this.#die(crashed(message.message));
      case 'state':
        return this.#wallets.get(message.wallet)?.emit('state', message.state);
    }
  }

  #post(message: Request): void {
    this.#worker.postMessage(message);
  }

  /** A page that is hidden may never be shown again: then is the time to save. */
  #watchPage(): void {
    if (typeof document === 'undefined') return;
    const { signal } = this.#end;
    const hidden = () => {
      if (document.visibilityState === 'hidden') this.#post({ type: 'hidden' });
    };
    document.addEventListener('visibilitychange', hidden, { signal });
    addEventListener('pagehide', () => this.#post({ type: 'hidden' }), { signal });
  }

  #die(error: RekindleError): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#end.abort();
    clearTimeout(this.#linger);
    this.#forget();
    this.#worker.terminate();
    this.#rpc.die(error);
    for (const listeners of this.#wallets.values()) {
      listeners.interrupt(error);
      // Whoever shows the wallet asks again, and so starts another worker.
      listeners.emit('change', undefined);
    }
    this.#wallets.clear();
  }
}

/** Not retryable: what was under way may be stored, and then the same payment would be another one. */
function crashed(cause: string): RekindleError {
  return new RekindleError('crashed', undefined, { cause });
}
