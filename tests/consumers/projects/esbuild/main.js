import { start } from '../shared/page.js';

// esbuild does not follow `new URL('./worker.js', import.meta.url)`, so the page says where both files are.
start({
  workerUrl: new URL('worker.js', import.meta.url),
  wasmUrl: new URL('rekindle.wasm', import.meta.url),
});
