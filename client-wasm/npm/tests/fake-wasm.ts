/** In place of the wasm-bindgen output: functions that a test tells what to do. */

import { vi } from 'vitest';

export const initSync = vi.fn();
export const walletExists = vi.fn();
export const walletErase = vi.fn();
export const WasmWallet = { create: vi.fn(), open: vi.fn(), recover: vi.fn(), seenBefore: vi.fn() };
