/** Entry of the worker: serves the wasm engine. */

import { serve } from './rpc/server.js';
import { loadWasmEngine } from './wasm-engine.js';

serve(globalThis as unknown as Parameters<typeof serve>[0], loadWasmEngine);
