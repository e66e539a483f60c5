/** The wasm module as the engine that the worker serves. */

import { WasmWallet, initSync, walletErase, walletExists } from './wasm/rekindle_wasm.js';
import { lockWallet } from './lock.js';
import type { Engine, EngineListener, EngineWallet } from './rpc/engine.js';
import type { EngineCalls } from './rpc/messages.js';
import { TabWallet } from './tab-wallet.js';
import type { SeenBefore } from './types.js';

/** Loads the wasm module; from its place beside this script unless a URL is given. */
export async function loadWasmEngine(wasmUrl: string | undefined): Promise<Engine> {
  const response = await fetch(wasmUrl ?? new URL('rekindle_wasm_bg.wasm', import.meta.url));
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
  initSync({ module: await compile(response) });
  return wasmEngine;
}

/** Browsers compile while they load only what a server calls by its name, which not every server knows. */
async function compile(response: Response): Promise<WebAssembly.Module> {
  if (response.headers.get('content-type') === 'application/wasm') return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

const wasmEngine: Engine = {
  exists: walletExists,

  async erase(name: string): Promise<void> {
    const free = await lockWallet(name);
    try {
      await walletErase(name);
    } finally {
      free();
    }
  },

  seenBefore({ words, invite }: EngineCalls['seenBefore']['params'], signal: AbortSignal): Promise<SeenBefore> {
    return WasmWallet.seenBefore(words, invite, signal);
  },

  create({ name, passphrase }: EngineCalls['create']['params'], on: EngineListener, signal: AbortSignal): Promise<EngineWallet> {
    return TabWallet.begin(name, on, signal, (notify) => WasmWallet.create(name, passphrase, notify, signal));
  },

  open({ name, passphrase, follow }: EngineCalls['open']['params'], on: EngineListener, signal: AbortSignal): Promise<EngineWallet> {
    return TabWallet.open(name, passphrase, follow === true, on, signal);
  },

  recover(params: EngineCalls['recover']['params'], on: EngineListener, signal: AbortSignal): Promise<EngineWallet> {
    const { name, words, invite, passphrase, everySession = false } = params;
    return TabWallet.begin(name, on, signal, (notify) =>
      WasmWallet.recover(name, words, invite, passphrase, everySession, notify, signal),
    );
  },
};
