/** Entry of the worker: serves the wasm engine. */

import { isCrash } from './rpc/failure.js';
import type { Response } from './rpc/messages.js';
import { serve } from './rpc/server.js';
import { loadWasmEngine } from './wasm-engine.js';

serve(globalThis as unknown as Parameters<typeof serve>[0], loadWasmEngine);

// What crashes while no call waits for it would otherwise go unnoticed.
addEventListener('unhandledrejection', ({ reason }) => {
  const message: Response = { type: 'crashed', message: String(reason) };
  if (isCrash(reason)) postMessage(message);
});
