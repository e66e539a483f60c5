/**
 * The worker's end of the conversation: loads the engine once, runs calls side by side, answers each
 * exactly once, and passes on what open wallets report.
 */

import { RekindleError } from '../errors.js';
import { isCrash, toWire } from './wire-error.js';
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

const walletMethods: Record<WalletMethod, true> = {
  join: true,
  federation: true,
  balance: true,
  depositAddress: true,
  claimDeposits: true,
  send: true,
  redeem: true,
  outstanding: true,
  reclaim: true,
  history: true,
  seedWords: true,
  recovery: true,
  steerRecovery: true,
  diagnostics: true,
  close: true,
};

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
    if (Object.hasOwn(walletMethods, call.method)) {
      const handle = call.wallet ?? 0;
      const wallet = this.#wallets.get(handle);
      if (!wallet) throw new RekindleError('wallet_closed');
      if (call.method === 'close') {
        this.#wallets.delete(handle);
        await this.#stopCalls(handle, call.id);
      }
      return { value: await wallet[call.method as WalletMethod](call.params as never, signal) };
    }
    const engine = await this.#loaded();
    switch (call.method) {
      case 'exists':
        return { value: await engine.exists((call.params as EngineCalls['exists']['params']).name) };
      case 'erase':
        return { value: await engine.erase((call.params as EngineCalls['erase']['params']).name) };
      case 'create': {
        const { name } = call.params as EngineCalls['create']['params'];
        return this.#keep((listener) => engine.create(name, listener, signal), signal);
      }
      case 'open': {
        const { name } = call.params as EngineCalls['open']['params'];
        return this.#keep((listener) => engine.open(name, listener, signal), signal);
      }
      case 'recover': {
        const { name, words, invite, everySession } = call.params as EngineCalls['recover']['params'];
        return this.#keep((listener) => engine.recover(name, words, invite, listener, signal, everySession), signal);
      }
      default:
        throw new RekindleError('internal', 'The page and its worker are of different versions.');
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
    });
    if (signal.aborted) {
      await wallet.close({}, signal);
      throw new RekindleError('aborted');
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
      throw new RekindleError('worker_failed', `The wallet’s wasm file could not be loaded${reason}.`, {
        retryable: true,
        cause,
      });
    });
    return this.#engine;
  }
}
