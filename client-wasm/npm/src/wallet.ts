/**
 * The wallet as a web page sees it.
 *
 * This module is a thin proxy: the wallet itself lives in a module worker that owns the wasm, so nothing
 * here computes, blocks or touches storage. The worker starts with the first call and not before, which
 * makes the package safe to import where there is no browser. All wallets of a page share one worker.
 */

import { Connection } from './connection.js';
import { type Host, acquireHost } from './host.js';
import { iterate } from './iterate.js';
import { askToKeep, storageInfo } from './persistence.js';
import type { WalletHandle } from './rpc/messages.js';
import type {
  Abortable,
  Balance,
  Canceller,
  CreateOptions,
  Diagnostics,
  FederationInfo,
  HistoryOptions,
  OpenOptions,
  Operation,
  OutstandingToken,
  Received,
  RecoverOptions,
  RecoveryProgress,
  SeenBefore,
  SeenBeforeOptions,
  SentToken,
  StorageInfo,
  WalletEvents,
  WalletOptions,
  WalletState,
} from './types.js';
import { checkAmount, checkLimit, checkName, checkPassphrase, checkText, joinWords } from './validate.js';

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
  readonly #connection: Connection;

  /** Name of this wallet in this browser profile. */
  readonly name: string;

  private constructor(name: string, connection: Connection) {
    this.name = name;
    this.#connection = connection;
  }

  /**
   * Makes a new wallet with a fresh seed, not yet in any federation.
   *
   * Rejects with `wallet_exists`, `name_invalid`, or one of the storage codes.
   */
  static create(options: CreateOptions = {}): Promise<Wallet> {
    return Wallet.#start(options, async (host, name) =>
      host.openWallet('create', { name, passphrase: checkPassphrase(options.passphrase) }, options.signal),
    );
  }

  /**
   * Opens a wallet of this browser profile. A recovery that was under way goes on by itself, from its
   * last snapshot. A wallet with a passphrase opens locked unless it is given.
   *
   * Rejects with `wallet_not_found`, `wallet_in_use`, `passphrase_wrong`, or one of the storage codes.
   */
  static open(options: OpenOptions = {}): Promise<Wallet> {
    return Wallet.#start(options, async (host, name) => {
      const params = { name, passphrase: checkPassphrase(options.passphrase), follow: options.whenInUse === 'follow' };
      return host.openWallet('open', params, options.signal);
    });
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
  static async recover(options: RecoverOptions): Promise<Wallet> {
    const wallet = await Wallet.#start(options, async (host, name) => {
      const { everySession } = options;
      const [words, invite] = [joinWords(options.words), checkText('invite', options.invite)];
      const params = { name, words, invite, everySession, passphrase: checkPassphrase(options.passphrase) };
      return host.openWallet('recover', params, options.signal);
    }, options.onProgress);
    void askToKeep();
    return wallet;
  }

  /**
   * Whether the words were used in the federation before, as its guardians say. Needs no wallet and stores nothing. It
   * is for people to notice wrong words or a wrong federation; a recovery reads history whatever this says.
   *
   * Rejects with `words_count`, `words_unknown`, `words_checksum`, `invite_invalid`, `federation_unreachable`,
   * `config_mismatch`.
   */
  static async seenBefore(options: SeenBeforeOptions): Promise<SeenBefore> {
    const params = { words: joinWords(options.words), invite: checkText('invite', options.invite) };
    return Wallet.#once(options, (host) => host.call('seenBefore', params, options.signal));
  }

  /**
   * Deletes a wallet from this browser profile for good, also one that cannot be opened. Without its
   * words its money is gone. Erasing what does not exist is no error. An aborted call may erase it all the same.
   *
   * Rejects with `wallet_in_use` while it is open anywhere, also in this page.
   */
  static async erase(options: WalletOptions = {}): Promise<void> {
    await Wallet.#once(options, (host, name) => host.call('erase', { name }, options.signal));
  }

  /**
   * Joins the federation that an invite code names: fetches its configuration, checks it against the
   * code, and stores it. Joining the same federation again is no error. From now on there may be money
   * here, so the browser is asked to keep what is stored; see {@link Wallet.storage}.
   *
   * Rejects with `invite_invalid`, `already_joined`, `federation_unreachable`, `config_mismatch`,
   * `version_unsupported`.
   */
  async join(options: { invite: string } & Abortable): Promise<FederationInfo> {
    const federation = await this.#connection.call('join', { invite: checkText('invite', options?.invite) }, options.signal);
    void askToKeep();
    return federation;
  }

  /** The federation this wallet has joined, or undefined. Needs no network. */
  async federation(options: Abortable = {}): Promise<FederationInfo | undefined> {
    return this.#connection.call('federation', {}, options.signal);
  }

  /** What the wallet holds. Needs no network. During a recovery: what was found so far. */
  async balance(options: Abortable = {}): Promise<Balance> {
    return this.#connection.call('balance', {}, options.signal);
  }

  /**
   * A fresh address at which an issuer can credit this wallet. Deposits are claimed by themselves while
   * the wallet is open. Needs no network.
   *
   * Rejects with `not_joined`.
   */
  async depositAddress(options: Abortable = {}): Promise<string> {
    return this.#connection.call('depositAddress', {}, options.signal);
  }

  /**
   * Claims credited deposits now instead of with the next round of the background sync, and resolves
   * with those it claimed, possibly none.
   */
  async claimDeposits(options: Abortable = {}): Promise<Received[]> {
    return this.#connection.call('claimDeposits', {}, options.signal);
  }

  /**
   * Takes money out of the wallet as a token to hand to somebody, by any channel. It stays
   * {@link Wallet.outstanding} until redeemed, and can be reclaimed until then.
   *
   * A call that rejects with `under_way` makes the token as soon as guardians answer; one that was aborted, or that
   * `crashed`, may make it. It is then in {@link Wallet.outstanding}, and the same call again would make another one.
   *
   * Rejects with `amount_invalid`, `amount_too_large`, `insufficient_balance`, `not_joined`,
   * `recovery_running`, `under_way`.
   */
  async send(options: { amountSats: bigint } & Abortable): Promise<SentToken> {
    return this.#connection.call('send', { amountSats: checkAmount(options?.amountSats) }, options.signal);
  }

  /**
   * Exchanges a token for money of this wallet. The token is stored first: should anything fail on the
   * way, the wallet goes on trying by itself.
   *
   * Rejects with `token_invalid`, `token_other_federation`, `token_spent`, `not_joined`,
   * `recovery_running`, `federation_unreachable`.
   */
  async redeem(options: { token: string } & Abortable): Promise<Received> {
    return this.#connection.call('redeem', { token: checkText('token', options?.token) }, options.signal);
  }

  /** Sent tokens that nobody has redeemed yet, newest first. Needs no network. */
  async outstanding(options: Abortable = {}): Promise<OutstandingToken[]> {
    return this.#connection.call('outstanding', {}, options.signal);
  }

  /**
   * Takes an outstanding token back. Whoever is first, this wallet or its receiver, has the money.
   *
   * Rejects with `operation_not_found`, `not_reclaimable`, `token_spent`, `under_way`.
   */
  async reclaim(options: { operationId: string } & Abortable): Promise<Received> {
    return this.#connection.call('reclaim', { operationId: checkText('operationId', options?.operationId) }, options.signal);
  }

  /** What happened, newest first. Needs no network. */
  async history(options: HistoryOptions = {}): Promise<Operation[]> {
    return this.#connection.call('history', { limit: checkLimit(options.limit), before: options.before }, options.signal);
  }

  /**
   * The twelve words that bring this wallet back. Whoever knows them has its money: show them to the
   * owner on demand, and keep them nowhere.
   */
  async seedWords(options: Abortable = {}): Promise<string[]> {
    return this.#connection.call('seedWords', {}, options.signal);
  }

  /**
   * Where the recovery of this wallet stands, or undefined if it was created here and has always been whole.
   * Needs no network.
   */
  async recovery(options: Abortable = {}): Promise<RecoveryProgress | undefined> {
    return this.#connection.call('recovery', {}, options.signal);
  }

  /**
   * Follows the recovery: where it stands now, then every step, several times a second. A slow reader
   * gets the latest step only. Ends after `done` or `failed`, when the wallet is closed, or at once if
   * there is no recovery. Aborting rejects with `aborted`.
   */
  recoveryProgress(options: Abortable = {}): AsyncIterable<RecoveryProgress> {
    const { listeners } = this.#connection;
    return iterate({
      current: () => this.recovery(options),
      subscribe: (listener) => listeners.add('recovery', listener),
      closed: (listener) => listeners.onClose(listener),
      isLast: ({ state }) => state === 'done' || state === 'failed',
      signal: options.signal,
    });
  }

  /** Stops the recovery, also across restarts, until {@link Wallet.resumeRecovery}. Nothing is lost. */
  async pauseRecovery(options: Abortable = {}): Promise<void> {
    await this.#connection.call('steerRecovery', { how: 'pause' }, options.signal);
  }

  /**
   * Goes on with a paused recovery, tries a waiting one and parts that are failing again now, and begins a
   * cancelled one from scratch.
   */
  async resumeRecovery(options: Abortable = {}): Promise<void> {
    await this.#connection.call('steerRecovery', { how: 'resume' }, options.signal);
  }

  /**
   * Gives a running recovery up and drops its progress. A wallet that was whole before is whole as before; any
   * other stays `failed`, and moves no money, until it is resumed or restarted. What was submitted or received
   * stays.
   */
  async cancelRecovery(options: Abortable = {}): Promise<void> {
    await this.#connection.call('steerRecovery', { how: 'cancel' }, options.signal);
  }

  /**
   * Reads all of history again from the beginning, also in a wallet that is whole. Until that is done no money
   * can be moved. What was submitted or received stays.
   */
  async restartRecovery(options: Abortable = {}): Promise<void> {
    await this.#connection.call('steerRecovery', { how: 'restart' }, options.signal);
  }

  /**
   * When guardians were last given a backup of this wallet, encrypted under its words, milliseconds since 1970; undefined
   * before the first one. It is written by itself, minutes after something happened, and makes recovery shorter.
   */
  async backedUpAt(options: Abortable = {}): Promise<number | undefined> {
    return this.#connection.call('backedUpAt', {}, options.signal);
  }

  /**
   * Invite codes of all federations that the words are known to be used in: this wallet's, those told to
   * {@link Wallet.rememberFederation}, and those that a backup named. Needs no network.
   */
  async knownFederations(options: Abortable = {}): Promise<string[]> {
    return this.#connection.call('knownFederations', {}, options.signal);
  }

  /**
   * Has the backup name another federation in which the same words are used, so that whoever recovers one finds the
   * others. Rejects with `invite_invalid`, `not_joined`.
   */
  async rememberFederation(options: { invite: string } & Abortable): Promise<void> {
    await this.#connection.call('rememberFederation', { invite: checkText('invite', options?.invite) }, options.signal);
  }

  /** How this tab has the wallet; `state` events tell of changes. */
  async state(options: Abortable = {}): Promise<WalletState> {
    return this.#connection.call('state', {}, options.signal);
  }

  /** Whether what the wallet stores is encrypted under a passphrase. */
  async hasPassphrase(options: Abortable = {}): Promise<boolean> {
    return this.#connection.call('hasPassphrase', {}, options.signal);
  }

  /**
   * Stops the wallet and erases its secrets from memory, until {@link Wallet.unlock}. Other calls reject with
   * `wallet_locked` meanwhile; what is under way is stopped at a safe point and stays stored.
   *
   * Rejects with `passphrase_missing` if the wallet has none, and with `wallet_in_use`.
   */
  async lock(options: Abortable = {}): Promise<void> {
    await this.#connection.call('lock', {}, options.signal);
  }

  /** Opens a locked wallet with its passphrase. Rejects with `passphrase_wrong`, `out_of_memory`, `wallet_in_use`. */
  async unlock(options: { passphrase: string } & Abortable): Promise<void> {
    // No passphrase at all is refused like an empty one.
    await this.#connection.call('unlock', { passphrase: checkPassphrase(options?.passphrase ?? '') }, options.signal);
  }

  /**
   * Encrypts everything anew under the passphrase `next`, or under none without it. `current` is the one it has, if any.
   *
   * Rejects with `passphrase_wrong`, `out_of_memory`, or one of the storage codes; then nothing has changed.
   */
  async changePassphrase(options: { current?: string | undefined; next?: string | undefined } & Abortable): Promise<void> {
    const params = { current: checkPassphrase(options?.current), next: checkPassphrase(options?.next) };
    await this.#connection.call('changePassphrase', params, options.signal);
  }

  /**
   * Brings a wallet that is open in another tab to this one; that tab follows from then on. A wallet with a passphrase
   * arrives locked. Rejects with `wallet_in_use` if the other tab does not let go within seconds.
   */
  async takeOver(options: Abortable = {}): Promise<void> {
    await this.#connection.call('takeOver', {}, options.signal);
  }

  /** How safe the browser keeps this wallet. It was asked to keep it when the wallet joined or was recovered. */
  async storage(options: Abortable = {}): Promise<StorageInfo> {
    return storageInfo(options.signal);
  }

  /** Figures for tests, benchmarks and bug reports; nothing in them is secret. */
  async diagnostics(options: Abortable = {}): Promise<Diagnostics> {
    return this.#connection.call('diagnostics', {}, options.signal);
  }

  /**
   * Listens to this wallet. Listeners are called one after the other; what one throws is reported like an
   * uncaught error and disturbs nobody else.
   *
   * @returns ends the subscription
   */
  on<E extends keyof WalletEvents>(event: E, listener: (value: WalletEvents[E]) => void): Canceller {
    return this.#connection.listeners.add(event, listener);
  }

  /**
   * The same events as an async iterable, from its first step on. A slow reader gets the latest event only. Ends when
   * the wallet is closed. Aborting rejects with `aborted`.
   *
   * ```ts
   * for await (const state of wallet.events('state', { signal })) show(state);
   * ```
   */
  events<E extends keyof WalletEvents>(event: E, options: Abortable = {}): AsyncIterable<WalletEvents[E]> {
    const { listeners } = this.#connection;
    return iterate<WalletEvents[E]>({
      subscribe: (listener) => listeners.add(event, listener),
      // The next worker's events are as good.
      closed: (listener) => listeners.onClose((reason) => reason ?? listener(undefined)),
      signal: options.signal,
    });
  }

  /**
   * Closes the wallet; what is under way is stopped at a safe point and stays stored. Later calls reject
   * with `wallet_closed`. Closing again does nothing. Once it has begun, aborting ends only the wait.
   */
  async close(options: Abortable = {}): Promise<void> {
    await this.#connection.close(options.signal);
  }

  /**
   * Closes this wallet and deletes it from this browser profile for good; see the static {@link Wallet.erase}.
   * Rejects with `wallet_in_use` if it is another tab's. Once it has begun, aborting ends only the wait: the wallet is
   * closed, and erased unless that fails, which nobody hears of then.
   */
  async erase(options: Abortable = {}): Promise<void> {
    await this.#connection.erase(options.signal);
  }

  /** The same as {@link Wallet.close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  static async #start(
    options: OpenOptions,
    begin: (host: Host, name: string) => Promise<WalletHandle>,
    onProgress?: (progress: RecoveryProgress) => void,
  ): Promise<Wallet> {
    const name = checkName(options?.name);
    const host = acquireHost(options);
    try {
      const connection = new Connection(host, await begin(host, name), { name, host: options, follow: options.whenInUse === 'follow' });
      const wallet = new Wallet(name, connection);
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
