/** The wasm module as the engine that the worker serves. */

import init, { WasmWallet, walletErase, walletExists } from './wasm/rekindle_wasm.js';
import { lockWallet } from './lock.js';
import type { Engine, EngineWallet } from './rpc/engine.js';

/** Loads the wasm module; from its place beside the glue code unless a URL is given. */
export async function loadWasmEngine(wasmUrl: string | undefined): Promise<Engine> {
  await (wasmUrl === undefined ? init() : init({ module_or_path: wasmUrl }));
  return wasmEngine;
}

const wasmEngine: Engine = {
  exists: (name) => walletExists(name),
  async erase(name) {
    const free = await lockWallet(name);
    try {
      await walletErase(name);
    } finally {
      free();
    }
  },
  create: (name, on, signal) => locked(name, signal, () => WasmWallet.create(name, on.change, on.recovery, signal)),
  open: (name, on, signal) => locked(name, signal, () => WasmWallet.open(name, on.change, on.recovery, signal)),
  recover: (name, words, invite, on, signal) =>
    locked(name, signal, () => WasmWallet.recover(name, words, invite, on.change, on.recovery, signal)),
};

/** Opens a wallet under its lock, which it keeps until it is closed. */
async function locked(name: string, signal: AbortSignal, open: () => Promise<WasmWallet>): Promise<EngineWallet> {
  const free = await lockWallet(name, signal);
  try {
    return adapt(await open(), free);
  } catch (error) {
    free();
    throw error;
  }
}

function adapt(wallet: WasmWallet, unlock: () => void): EngineWallet {
  return {
    join: ({ invite }, signal) => wallet.join(invite, signal),
    federation: (_, signal) => wallet.federation(signal),
    balance: (_, signal) => wallet.balance(signal),
    depositAddress: (_, signal) => wallet.depositAddress(signal),
    claimDeposits: (_, signal) => wallet.claimDeposits(signal),
    send: ({ amountSats }, signal) => wallet.send(amountSats, signal),
    redeem: ({ token }, signal) => wallet.redeem(token, signal),
    outstanding: (_, signal) => wallet.outstanding(signal),
    reclaim: ({ operationId }, signal) => wallet.reclaim(operationId, signal),
    history: ({ limit, before }, signal) => wallet.history(limit, before, signal),
    seedWords: (_, signal) => wallet.seedWords(signal),
    recovery: (_, signal) => wallet.recovery(signal),
    async pauseRecovery(_, signal) {
      await wallet.pauseRecovery(signal);
      return undefined;
    },
    async resumeRecovery(_, signal) {
      await wallet.resumeRecovery(signal);
      return undefined;
    },
    async close() {
      try {
        await wallet.close();
      } finally {
        unlock();
      }
      return undefined;
    },
  };
}
