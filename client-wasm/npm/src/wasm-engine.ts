/** The wasm module as the engine that the worker serves. */

import init, { WasmWallet, walletErase, walletExists } from './wasm/rekindle_wasm.js';
import { lockWallet } from './lock.js';
import type { Engine, EngineListener, EngineWallet } from './rpc/engine.js';

/** Loads the wasm module; from its place beside the glue code unless a URL is given. */
export async function loadWasmEngine(wasmUrl: string | undefined): Promise<Engine> {
  const { memory } = await (wasmUrl === undefined ? init() : init({ module_or_path: wasmUrl }));
  return new WasmEngine(memory);
}

class WasmEngine implements Engine {
  readonly #memory: WebAssembly.Memory;

  constructor(memory: WebAssembly.Memory) {
    this.#memory = memory;
  }

  exists(name: string): Promise<boolean> {
    return walletExists(name);
  }

  async erase(name: string): Promise<void> {
    const free = await lockWallet(name);
    try {
      await walletErase(name);
    } finally {
      free();
    }
  }

  create(name: string, on: EngineListener, signal: AbortSignal): Promise<EngineWallet> {
    return this.#locked(name, signal, () => WasmWallet.create(name, on.change, on.recovery, signal));
  }

  open(name: string, on: EngineListener, signal: AbortSignal): Promise<EngineWallet> {
    return this.#locked(name, signal, () => WasmWallet.open(name, on.change, on.recovery, signal));
  }

  recover(
    name: string,
    words: string,
    invite: string,
    on: EngineListener,
    signal: AbortSignal,
    everySession = false,
  ): Promise<EngineWallet> {
    return this.#locked(name, signal, () =>
      WasmWallet.recover(name, words, invite, everySession, on.change, on.recovery, signal),
    );
  }

  /** Opens a wallet under its lock, which it keeps until it is closed. */
  async #locked(name: string, signal: AbortSignal, open: () => Promise<WasmWallet>): Promise<EngineWallet> {
    const free = await lockWallet(name, signal);
    try {
      return adapt(await open(), this.#memory, free);
    } catch (error) {
      free();
      throw error;
    }
  }
}

/** One call of the worker's protocol is one call of the wasm module. */
function adapt(wallet: WasmWallet, memory: WebAssembly.Memory, unlock: () => void): EngineWallet {
  return {
    join: ({ invite }, signal) => wallet.join(invite, signal),
    federation: async () => wallet.federation(),
    balance: async () => wallet.balance(),
    depositAddress: async () => wallet.depositAddress(),
    claimDeposits: (_, signal) => wallet.claimDeposits(signal),
    send: ({ amountSats }, signal) => wallet.send(amountSats, signal),
    redeem: ({ token }, signal) => wallet.redeem(token, signal),
    outstanding: async () => wallet.outstanding(),
    reclaim: ({ operationId }, signal) => wallet.reclaim(operationId, signal),
    history: async ({ limit, before }) => wallet.history(limit, before),
    seedWords: async () => wallet.seedWords(),
    recovery: async () => wallet.recovery(),
    async steerRecovery({ how }, signal) {
      await wallet.steerRecovery(how, signal);
      return undefined;
    },
    diagnostics: async () => ({ wasmMemoryBytes: memory.buffer.byteLength }),
    async close() {
      try {
        wallet.close();
      } finally {
        unlock();
      }
      return undefined;
    },
  };
}
