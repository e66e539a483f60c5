/**
 * The worker's end of the conversation: loads the engine once, runs calls side by side, answers each
 * exactly once, and passes on what open wallets report.
 */

import { Failure, isCrash, toWire } from './failure.js';
import type { Engine, EngineListener, EngineWallet } from './engine.js';
import type { EngineCalls, Request, Response, WalletHandle, WalletMethod } from './messages.js';

/** Where messages come from and go to: the worker's global scope. */
export interface ServerPort {
  postMessage(message: Response): void;
  onmessage: ((event: MessageEvent<Request>) => void) | null;
}

/** Loads the engine, from the given wasm file or the default one. */
export type LoadEngine = (wasmUrl: string | undefined) => Promise<Engine>;

type Call = Extract<Request, { type: 'call' }>;

/** A call under way. */
interface Running {
  controller: AbortController;
  wallet: WalletHandle | undefined;
  /** Resolves when it is answered; never rejects. */
  done: Promise<void>;
}

/** What a call came to. */
interface Outcome {
  value: unknown;
  /** Runs once the answer is on its way. */
  announce?: () => void;
}

type Opener = (params: object, listener: EngineListener, signal: AbortSignal) => Promise<EngineWallet>;

/** Serves calls on `port` until the worker ends. */
export function serve(port: ServerPort, load: LoadEngine): void {
  const server = new Server(port, load);
  port.onmessage = (event) => server.receive(event.data);
}

class Server {
  readonly #port: ServerPort;
  readonly #load: LoadEngine;
  readonly #running = new Map<number, Running>();
  readonly #wallets = new Map<WalletHandle, EngineWallet>();
  #wasmUrl: string | undefined;
  #engine: Promise<Engine> | undefined;
  #nextHandle = 1;

  constructor(port: ServerPort, load: LoadEngine) {
    this.#port = port;
    this.#load = load;
  }

  receive(message: Request): void {
    switch (message.type) {
      case 'init':
        this.#wasmUrl = message.wasmUrl;
        return;
      case 'cancel':
        return this.#running.get(message.id)?.controller.abort();
      case 'hidden':
        return this.#wallets.forEach((wallet) => wallet.saveSoon());
      case 'call':
        this.#start(message);
    }
  }

  #start(call: Call): void {
    const controller = new AbortController();
    const done = this.#answer(call, controller.signal).finally(() => this.#running.delete(call.id));
    this.#running.set(call.id, { controller, wallet: call.wallet, done });
  }

  async #answer(call: Call, signal: AbortSignal): Promise<void> {
    try {
      const { value, announce } = await this.#run(call, signal);
      this.#port.postMessage({ type: 'result', id: call.id, value });
      announce?.();
    } catch (error) {
      if (isCrash(error)) this.#port.postMessage({ type: 'crashed', message: String(error) });
      else this.#port.postMessage({ type: 'error', id: call.id, error: toWire(error) });
    }
  }

  async #run(call: Call, signal: AbortSignal): Promise<Outcome> {
    if (call.wallet !== undefined) {
      const wallet = this.#wallets.get(call.wallet);
      if (!wallet) throw new Failure('wallet_closed');
      if (call.method === 'close' || call.method === 'closeAndErase') {
        this.#wallets.delete(call.wallet);
        await this.#stopCalls(call.wallet, call.id);
      }
      return { value: await wallet.call(call.method as WalletMethod, call.params as never, signal) };
    }
    const engine = await this.#loaded();
    switch (call.method) {
      case 'exists':
        return { value: await engine.exists((call.params as EngineCalls['exists']['params']).name) };
      case 'erase':
        return { value: await engine.erase((call.params as EngineCalls['erase']['params']).name) };
      case 'seenBefore':
        return { value: await engine.seenBefore(call.params as EngineCalls['seenBefore']['params'], signal) };
      case 'create':
      case 'open':
      case 'recover': {
        const open = engine[call.method].bind(engine) as Opener;
        return this.#keep((listener) => open(call.params, listener, signal), signal);
      }
      default:
        throw new Failure('internal', false, 'The page and its worker are of different versions.');
    }
  }

  /** Ends all calls on a wallet but one, and waits until they have ended. */
  async #stopCalls(wallet: WalletHandle, except: number): Promise<void> {
    const others = [...this.#running].filter(([id, call]) => call.wallet === wallet && id !== except);
    for (const [, call] of others) call.controller.abort();
    await Promise.all(others.map(([, call]) => call.done));
  }

  /** Opens a wallet under a new handle. Reports wait until the page knows the handle. */
  async #keep(open: (listener: EngineListener) => Promise<EngineWallet>, signal: AbortSignal): Promise<Outcome> {
    const handle = this.#nextHandle++;
    let known = false;
    const early = new Map<Response['type'], Response>();
    const post = (message: Response) => {
      if (known) this.#port.postMessage(message);
      else early.set(message.type, message);
    };
    const wallet = await open({
      change: () => post({ type: 'change', wallet: handle }),
      recovery: (progress) => post({ type: 'recovery', wallet: handle, progress }),
      state: (state) => post({ type: 'state', wallet: handle, state }),
    });
    if (signal.aborted) {
      await wallet.call('close', {}, signal);
      throw new Failure('aborted');
    }
    this.#wallets.set(handle, wallet);
    const announce = () => {
      known = true;
      for (const message of early.values()) this.#port.postMessage(message);
    };
    return { value: handle, announce };
  }

  /** A load that failed is tried again with the next call. */
  #loaded(): Promise<Engine> {
    this.#engine ??= this.#load(this.#wasmUrl).catch((cause: unknown) => {
      this.#engine = undefined;
      const reason = cause instanceof Error ? ` (${cause.message})` : '';
      throw new Failure('worker_failed', true, `The wallet’s wasm file could not be loaded${reason}.`);
    });
    return this.#engine;
  }
}
