import { copyFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

copyFileSync(fileURLToPath(import.meta.resolve('rekindle/rekindle_wasm_bg.wasm')), 'dist/rekindle.wasm');
