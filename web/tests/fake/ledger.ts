/** What the simulated federation remembers. In `localStorage`, so that it outlives reloads. */

import type { OperationKind, OperationStatus } from '../../../client-wasm/npm/src/types';

/** One operation, as stored: amounts as decimal strings. */
export interface Entry {
  operationId: string;
  kind: OperationKind;
  amount: string;
  timeMs: number;
  status: OperationStatus;
  token?: string;
}

/** One wallet as the federation's history knows it. */
export interface Account {
  words: string;
  joined: boolean;
  entries: Entry[];
}

/** Where a recovery stands. */
export interface StoredRecovery {
  done: number;
  state: 'running' | 'paused' | 'done';
}

/** The state of everything. */
export interface World {
  /** Accounts by their words: what a recovery finds. */
  accounts: Record<string, Account>;
  /** Words of each stored wallet, by name. */
  wallets: Record<string, { words: string; recovery?: StoredRecovery }>;
  /** Unclaimed credits, by address. */
  credits: Record<string, string>;
}

const key = 'rekindle-fake';

/** The world as it is now. */
export function readWorld(): World {
  const text = localStorage.getItem(key);
  return text ? (JSON.parse(text) as World) : { accounts: {}, wallets: {}, credits: {} };
}

/** Changes the world. */
export function changeWorld<T>(change: (world: World) => T): T {
  const world = readWorld();
  const result = change(world);
  localStorage.setItem(key, JSON.stringify(world));
  return result;
}
