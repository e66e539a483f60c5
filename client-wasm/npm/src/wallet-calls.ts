/** The calls that an unlocked wallet answers itself: one call of the worker's protocol is one of the wasm module. */

import type { WasmWallet } from './wasm/rekindle_wasm.js';
import type { WalletCalls, WalletMethod } from './rpc/messages.js';

/** Calls that change how this tab has the wallet. */
export type Transition = 'state' | 'lock' | 'unlock' | 'takeOver' | 'close' | 'closeAndErase';

/** Calls for the wallet itself. */
export type OwnMethod = Exclude<WalletMethod, Transition>;

type Calls = {
  [M in OwnMethod]: (
    wallet: WasmWallet,
    params: WalletCalls[M]['params'],
    signal: AbortSignal,
  ) => WalletCalls[M]['result'] | Promise<WalletCalls[M]['result']>;
};

/** How each call is made. */
export const walletCalls: Calls = {
  join: (wallet, { invite }, signal) => wallet.join(invite, signal),
  federation: (wallet) => wallet.federation(),
  balance: (wallet) => wallet.balance(),
  depositAddress: (wallet) => wallet.depositAddress(),
  claimDeposits: (wallet, _, signal) => wallet.claimDeposits(signal),
  send: (wallet, { amountSats }, signal) => wallet.send(amountSats, signal),
  redeem: (wallet, { token }, signal) => wallet.redeem(token, signal),
  outstanding: (wallet) => wallet.outstanding(),
  reclaim: (wallet, { operationId }, signal) => wallet.reclaim(operationId, signal),
  history: (wallet, { limit, before }) => wallet.history(limit, before),
  seedWords: (wallet) => wallet.seedWords(),
  recovery: (wallet) => wallet.recovery(),
  steerRecovery: (wallet, { how }, signal) => wallet.steerRecovery(how, signal),
  backedUpAt: (wallet) => wallet.backedUpAt(),
  knownFederations: (wallet) => wallet.knownFederations(),
  rememberFederation: (wallet, { invite }, signal) => wallet.rememberFederation(invite, signal),
  diagnostics: (wallet) => wallet.diagnostics(),
  hasPassphrase: (wallet, _, signal) => wallet.hasPassphrase(signal),
  changePassphrase: (wallet, { current, next }, signal) => wallet.changePassphrase(current, next, signal),
};
