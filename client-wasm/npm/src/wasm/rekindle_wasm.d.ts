/**
 * The wasm-bindgen output, which the build puts into `dist/wasm`. Declared by hand so that the
 * TypeScript sources check without a Rust build; `client-wasm/src/api` is its other half.
 */

import type { RecoveryProgress } from '../types.js';
import type { WalletCalls } from '../rpc/messages.js';

type Result<M extends keyof WalletCalls> = Promise<WalletCalls[M]['result']>;
type OnChange = () => void;
type OnRecovery = (progress: RecoveryProgress) => void;

/** Loads and starts the wasm module, from `module_or_path` or from beside the glue code. */
export default function init(options?: { module_or_path: string }): Promise<unknown>;

/** Whether a wallet of that name is stored. */
export function walletExists(name: string): Promise<boolean>;
/** Deletes a stored wallet. */
export function walletErase(name: string): Promise<void>;

/** An open wallet. Methods may overlap. Every `signal` drops the work at the next safe point. */
export class WasmWallet {
  private constructor();
  static create(name: string, onChange: OnChange, onRecovery: OnRecovery, signal: AbortSignal): Promise<WasmWallet>;
  static open(name: string, onChange: OnChange, onRecovery: OnRecovery, signal: AbortSignal): Promise<WasmWallet>;
  static recover(
    name: string,
    words: string,
    invite: string,
    onChange: OnChange,
    onRecovery: OnRecovery,
    signal: AbortSignal,
  ): Promise<WasmWallet>;
  join(invite: string, signal: AbortSignal): Result<'join'>;
  federation(signal: AbortSignal): Result<'federation'>;
  balance(signal: AbortSignal): Result<'balance'>;
  depositAddress(signal: AbortSignal): Result<'depositAddress'>;
  claimDeposits(signal: AbortSignal): Result<'claimDeposits'>;
  send(amountSats: bigint, signal: AbortSignal): Result<'send'>;
  redeem(token: string, signal: AbortSignal): Result<'redeem'>;
  outstanding(signal: AbortSignal): Result<'outstanding'>;
  reclaim(operationId: string, signal: AbortSignal): Result<'reclaim'>;
  history(limit: number, before: string | undefined, signal: AbortSignal): Result<'history'>;
  seedWords(signal: AbortSignal): Result<'seedWords'>;
  recovery(signal: AbortSignal): Result<'recovery'>;
  pauseRecovery(signal: AbortSignal): Promise<void>;
  resumeRecovery(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
  free(): void;
}
