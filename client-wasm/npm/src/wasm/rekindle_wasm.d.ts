/**
 * The wasm-bindgen output, which the build makes. Declared by hand so that the
 * TypeScript sources check without a Rust build; `client-wasm/src/api` is its other half.
 */

import type { RecoveryProgress, SeenBefore } from '../types.js';
import type { WalletCalls } from '../rpc/messages.js';

type Result<M extends keyof WalletCalls> = WalletCalls[M]['result'];
/** Called with the progress of a recovery, or with nothing after any other change. */
export type Notify = (progress?: RecoveryProgress) => void;

/** Starts the wasm module, once. */
export function initSync(options: { module: WebAssembly.Module }): unknown;

/** Whether a wallet of that name is stored. */
export function walletExists(name: string): Promise<boolean>;
/** Deletes a stored wallet. */
export function walletErase(name: string): Promise<void>;

/** An open wallet. Methods may overlap. Every `signal` drops the work at the next safe point. */
export class WasmWallet {
  private constructor();
  static create(name: string, passphrase: string | undefined, notify: Notify, signal: AbortSignal): Promise<WasmWallet>;
  static open(name: string, passphrase: string | undefined, notify: Notify, signal: AbortSignal): Promise<WasmWallet>;
  static recover(
    name: string,
    words: string,
    invite: string,
    passphrase: string | undefined,
    everySession: boolean,
    notify: Notify,
    signal: AbortSignal,
  ): Promise<WasmWallet>;
  static seenBefore(words: string, invite: string, signal: AbortSignal): Promise<SeenBefore>;
  hasPassphrase(signal: AbortSignal): Promise<boolean>;
  changePassphrase(current: string | undefined, next: string | undefined, signal: AbortSignal): Promise<undefined>;
  saveSoon(): void;
  join(invite: string, signal: AbortSignal): Promise<Result<'join'>>;
  federation(): Result<'federation'>;
  balance(): Result<'balance'>;
  depositAddress(): Result<'depositAddress'>;
  claimDeposits(signal: AbortSignal): Promise<Result<'claimDeposits'>>;
  send(amountSats: bigint, signal: AbortSignal): Promise<Result<'send'>>;
  redeem(token: string, signal: AbortSignal): Promise<Result<'redeem'>>;
  outstanding(): Result<'outstanding'>;
  reclaim(operationId: string, signal: AbortSignal): Promise<Result<'reclaim'>>;
  history(limit: number, before: string | undefined): Result<'history'>;
  seedWords(): Result<'seedWords'>;
  recovery(): Result<'recovery'>;
  steerRecovery(how: WalletCalls['steerRecovery']['params']['how'], signal: AbortSignal): Promise<undefined>;
  backedUpAt(): Result<'backedUpAt'>;
  knownFederations(): Result<'knownFederations'>;
  rememberFederation(invite: string, signal: AbortSignal): Promise<undefined>;
  diagnostics(): Result<'diagnostics'>;
  close(): void;
}
