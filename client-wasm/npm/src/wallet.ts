/**
 * The wallet as a web page sees it.
 *
 * This module is a thin proxy: the wallet itself lives in a module worker that owns the wasm, so nothing
 * here computes, blocks or touches storage. The worker starts with the first call and not before, which
 * makes the package safe to import where there is no browser. All wallets of a page share one worker.
 */

import { RekindleError } from './errors.js';
import { type Host, acquireHost } from './host.js';
import { Listeners } from './listeners.js';
import type { WalletCalls, WalletHandle, WalletMethod } from './rpc/messages.js';
import { iterateProgress } from './progress.js';
import type {
  Abortable,
  Balance,
  Canceller,
  Diagnostics,
  FederationInfo,
  HistoryOptions,
  Operation,
  OutstandingToken,
  Received,
  RecoverOptions,
  RecoveryProgress,
  SentToken,
  WalletEvents,
  WalletOptions,
} from './types.js';
import { checkAmount, checkLimit, checkName, checkText, joinWords } from './validate.js';

/**
 * An open wallet of one federation.
 *
 * Get one from {@link Wallet.create}, {@link Wallet.open} or {@link Wallet.recover}; give it back with
 * {@link Wallet.close}, or let `await using` do it. Calls may overlap freely. Every method rejects with a
 * {@link RekindleError}. The wallet follows the federation by itself while it is open: deposits are
 * claimed, sent tokens that were redeemed are settled, and `change` is reported.
 *
 * ```ts
 * await using wallet = await Wallet.create();
 * await wallet.join({ invite });
 * const { token } = await wallet.send({ amountSats: 21n });
 * ```
 */
export class Wallet implements AsyncDisposable {
  readonly #host: Host;
  readonly #handle: WalletHandle;
  readonly #listeners: Listeners<WalletEvents>;
  #closing: Promise<void> | undefined;

  /** Name of this wallet in this browser profile. */
  readonly name: string;

  private constructor(name: string, host: Host, handle: WalletHandle) {
    this.name = name;
    this.#host = host;
    this.#handle = handle;
    this.#listeners = host.attach(handle);
  }

  /**
   * Makes a new wallet with a fresh seed, not yet in any federation.
   *
   * Rejects with `wallet_exists`, `name_invalid`, or one of the storage codes.
   */
  static create(options: WalletOptions = {}): Promise<Wallet> {
    return Wallet.#start(options, (host, name) => host.openWallet('create', { name }, options.signal));
  }

  /**
   * Opens a wallet of this browser profile. A recovery that was under way goes on by itself, from its
   * last snapshot.
   *
   * Rejects with `wallet_not_found`, `wallet_in_use`, or one of the storage codes.
   */
  static open(options: WalletOptions = {}): Promise<Wallet> {
    return Wallet.#start(options, (host, name) => host.openWallet('open', { name }, options.signal));
  }

  /** Whether this browser profile has a wallet of that name. */
  static async exists(options: WalletOptions = {}): Promise<boolean> {
    return Wallet.#once(options, (host, name) => host.call('exists', { name }, options.signal));
  }

  /**
   * Brings a wallet back from its words and an invite code.
   *
   * Resolves as soon as the words are checked, the federation's configuration is verified and the
   * recovery is stored. The recovery itself then runs in the background; follow it with `onProgress`,
   * {@link Wallet.recoveryProgress} or {@link Wallet.on}. Until it resolves nothing is stored, so a
   * rejected call can simply be repeated.
   *
   * Rejects with `words_count`, `words_unknown`, `words_checksum`, `invite_invalid`, `wallet_exists`,
   * `federation_unreachable`, `config_mismatch`, or one of the storage codes.
   */
  static recover(options: RecoverOptions): Promise<Wallet> {
    return Wallet.#start(options, async (host, name) => {
      const { everySession } = options;
      const params = { name, words: joinWords(options.words), invite: checkText('invite', options.invite), everySession };
      return host.openWallet('recover', params, options.signal);
    }, options.onProgress);
  }

  /**
   * Deletes a wallet from this browser profile for good, also one that cannot be opened. Without its
   * words its money is gone. Erasing what does not exist is no error.
   *
   * Rejects with `wallet_in_use` while it is open anywhere, also in this page.
   */
  static async erase(options: WalletOptions = {}): Promise<void> {
    await Wallet.#once(options, (host, name) => host.call('erase', { name }, options.signal));
  }

  /**
   * Joins the federation that an invite code names: fetches its configuration, checks it against the
   * code, and stores it. Joining the same federation again is no error.
   *
   * Rejects with `invite_invalid`, `already_joined`, `federation_unreachable`, `config_mismatch`,
   * `version_unsupported`.
   */
  async join(options: { invite: string } & Abortable): Promise<FederationInfo> {
    return this.#call('join', { invite: checkText('invite', options?.invite) }, options);
  }

  /** The federation this wallet has joined, or undefined. Needs no network. */
  async federation(options: Abortable = {}): Promise<FederationInfo | undefined> {
    return this.#call('federation', {}, options);
  }

  /** What the wallet holds. Needs no network. During a recovery: what was found so far. */
  async balance(options: Abortable = {}): Promise<Balance> {
    return this.#call('balance', {}, options);
  }

  /**
   * A fresh address at which an issuer can credit this wallet. Deposits are claimed by themselves while
   * the wallet is open. Needs no network.
   *
   * Rejects with `not_joined`.
   */
  async depositAddress(options: Abortable = {}): Promise<string> {
    return this.#call('depositAddress', {}, options);
  }

  /**
   * Claims credited deposits now instead of with the next round of the background sync, and resolves
   * with those it claimed, possibly none.
   */
  async claimDeposits(options: Abortable = {}): Promise<Received[]> {
    return this.#call('claimDeposits', {}, options);
  }

  /**
   * Takes money out of the wallet as a token to hand to somebody, by any channel. It stays
   * {@link Wallet.outstanding} until redeemed, and can be reclaimed until then.
   *
   * An aborted call may already have made the token; it is then in {@link Wallet.outstanding}.
   *
   * Rejects with `amount_invalid`, `amount_too_large`, `insufficient_balance`, `not_joined`,
   * `recovery_running`, `federation_unreachable`.
   */
  async send(options: { amountSats: bigint } & Abortable): Promise<SentToken> {
    return this.#call('send', { amountSats: checkAmount(options?.amountSats) }, options);
  }

  /**
   * Exchanges a token for money of this wallet. The token is stored first: should anything fail on the
   * way, the wallet goes on trying by itself.
   *
   * Rejects with `token_invalid`, `token_other_federation`, `token_spent`, `not_joined`,
   * `recovery_running`, `federation_unreachable`.
   */
  async redeem(options: { token: string } & Abortable): Promise<Received> {
    return this.#call('redeem', { token: checkText('token', options?.token) }, options);
  }

  /** Sent tokens that nobody has redeemed yet, newest first. Needs no network. */
  async outstanding(options: Abortable = {}): Promise<OutstandingToken[]> {
    return this.#call('outstanding', {}, options);
  }

  /**
   * Takes an outstanding token back. Whoever is first, this wallet or its receiver, has the money.
   *
   * Rejects with `operation_not_found`, `not_reclaimable`, `token_spent`, `federation_unreachable`.
   */
  async reclaim(options: { operationId: string } & Abortable): Promise<Received> {
    return this.#call('reclaim', { operationId: checkText('operationId', options?.operationId) }, options);
  }

  /** What happened, newest first. Needs no network. */
  async history(options: HistoryOptions = {}): Promise<Operation[]> {
    return this.#call('history', { limit: checkLimit(options.limit), before: options.before }, options);
  }

  /**
   * The twelve words that bring this wallet back. Whoever knows them has its money: show them to the
   * owner on demand, and keep them nowhere.
   */
  async seedWords(options: Abortable = {}): Promise<string[]> {
    return this.#call('seedWords', {}, options);
  }

  /**
   * Where the recovery of this wallet stands, or undefined if it was created here and has always been whole.
   * Needs no network.
   */
  async recovery(options: Abortable = {}): Promise<RecoveryProgress | undefined> {
    return this.#call('recovery', {}, options);
  }

  /**
   * Follows the recovery: where it stands now, then every step, several times a second. A slow reader
   * gets the latest step only. Ends after `done` or `failed`, when the wallet is closed, or at once if
   * there is no recovery. Aborting rejects with `aborted`.
   */
  recoveryProgress(options: Abortable = {}): AsyncIterable<RecoveryProgress> {
    return iterateProgress({
      current: () => this.recovery(options),
      subscribe: (listener) => this.#listeners.add('recovery', listener),
      closed: (listener) => this.#listeners.onClose(listener),
      signal: options.signal,
    });
  }

  /** Stops the recovery, also across restarts, until {@link Wallet.resumeRecovery}. Nothing is lost. */
  async pauseRecovery(options: Abortable = {}): Promise<void> {
    await this.#call('steerRecovery', { how: 'pause' }, options);
  }

  /**
   * Goes on with a paused recovery, tries a waiting one and parts that are failing again now, and begins a
   * cancelled one from scratch.
   */
  async resumeRecovery(options: Abortable = {}): Promise<void> {
    await this.#call('steerRecovery', { how: 'resume' }, options);
  }

  /**
   * Gives a running recovery up and drops its progress. A wallet that was whole before is whole as before; any
   * other stays `failed`, and moves no money, until it is resumed or restarted. What was submitted or received
   * stays.
   */
  async cancelRecovery(options: Abortable = {}): Promise<void> {
    await this.#call('steerRecovery', { how: 'cancel' }, options);
  }

  /**
   * Reads all of history again from the beginning, also in a wallet that is whole. Until that is done no money
   * can be moved. What was submitted or received stays.
   */
  async restartRecovery(options: Abortable = {}): Promise<void> {
    await this.#call('steerRecovery', { how: 'restart' }, options);
  }

  /** Figures for tests, benchmarks and bug reports; nothing in them is secret. */
  async diagnostics(options: Abortable = {}): Promise<Diagnostics> {
    return this.#call('diagnostics', {}, options);
  }

  /**
   * Listens to this wallet. Listeners are called one after the other; what one throws is reported like an
   * uncaught error and disturbs nobody else.
   *
   * @returns ends the subscription
   */
  on<E extends keyof WalletEvents>(event: E, listener: (value: WalletEvents[E]) => void): Canceller {
    return this.#listeners.add(event, listener);
  }

  /**
   * Closes the wallet; what is under way is stopped at a safe point and stays stored. Later calls reject
   * with `wallet_closed`. Closing again does nothing.
   */
  close(): Promise<void> {
    this.#closing ??= this.#host.closeWallet(this.#handle).finally(() => this.#host.release());
    return this.#closing;
  }

  /** Closes this wallet and deletes it from this browser profile for good; see the static {@link Wallet.erase}. */
  async erase(options: Abortable = {}): Promise<void> {
    if (this.#closing) throw new RekindleError('wallet_closed');
    const host = this.#host.retain();
    try {
      await this.close();
      await host.call('erase', { name: this.name }, options.signal);
    } finally {
      host.release();
    }
  }

  /** The same as {@link Wallet.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #call<M extends WalletMethod>(
    method: M,
    params: WalletCalls[M]['params'],
    options: Abortable,
  ): Promise<WalletCalls[M]['result']> {
    if (this.#closing) throw new RekindleError('wallet_closed');
    return this.#host.callWallet(this.#handle, method, params, options.signal);
  }

  static async #start(
    options: WalletOptions,
    begin: (host: Host, name: string) => Promise<WalletHandle>,
    onProgress?: (progress: RecoveryProgress) => void,
  ): Promise<Wallet> {
    const name = checkName(options?.name);
    const host = acquireHost(options);
    try {
      const wallet = new Wallet(name, host, await begin(host, name));
      if (onProgress) wallet.on('recovery', onProgress);
      return wallet;
    } catch (error) {
      host.release();
      throw error;
    }
  }

  static async #once<T>(options: WalletOptions, run: (host: Host, name: string) => Promise<T>): Promise<T> {
    const name = checkName(options?.name);
    const host = acquireHost(options);
    try {
      return await run(host, name);
    } finally {
      host.release();
    }
  }
}
