/**
 * The app's one wallet and what is shown of it.
 *
 * Pages call the methods here and read the state; nothing else holds the wallet. The state follows the
 * wallet's own reports, so a page never has to refresh anything itself.
 */

import {
  type Balance,
  type FederationInfo,
  type Operation,
  type OutstandingToken,
  type Received,
  type RecoveryProgress,
  type SentToken,
  Wallet,
  type WalletState,
  isRekindleError,
} from 'rekindle';
import { type DevFederation, findDevFederation } from './dev-federation';
import { type Explained, explain } from './errors';

/**
 * - `loading`: not known yet
 * - `failed`: the wallet could not be opened
 * - `empty`: no wallet on this device
 * - `locked`: a wallet that needs its passphrase
 * - `following`: the wallet is open in another tab, and shown here
 * - `unjoined`: a wallet without a federation
 * - `recovering`: a recovery is under way, or just done and not yet acknowledged
 * - `ready`: a wallet to use
 */
export type Phase = 'loading' | 'failed' | 'empty' | 'locked' | 'following' | 'unjoined' | 'recovering' | 'ready';

const historyLimit = 200;

class Session {
  phase = $state<Phase>('loading');
  error = $state<Explained>();
  federation = $state.raw<FederationInfo>();
  balance = $state.raw<Balance>({ spendableSats: 0n, pendingSats: 0n, outstandingSats: 0n });
  operations = $state.raw<Operation[]>([]);
  outstanding = $state.raw<OutstandingToken[]>([]);
  recovery = $state.raw<RecoveryProgress>();
  hasPassphrase = $state(false);
  /** When guardians were last given a backup, milliseconds since 1970. */
  backedUpAt = $state<number>();
  /** The guardians have never seen the words that a recovery was begun with. */
  wordsAreNew = $state(false);
  /** Set where the page is served by a development server. */
  devFederation = $state.raw<DevFederation>();

  #wallet: Wallet | undefined;
  #refreshing: Promise<void> | undefined;
  #stale = false;

  /** Opens the wallet of this device, if there is one. */
  async start(): Promise<void> {
    this.phase = 'loading';
    this.error = undefined;
    void findDevFederation().then((found) => (this.devFederation = found));
    try {
      // Left from an attempt that failed: it would be in the way.
      await this.#wallet?.close();
      this.#wallet = undefined;
      if (await Wallet.exists()) await this.#adopt(await Wallet.open({ whenInUse: 'follow' }));
      else this.phase = 'empty';
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Makes a new wallet. */
  async create(signal: AbortSignal): Promise<void> {
    await this.#adopt(await Wallet.create({ signal }));
  }

  /** Brings a wallet back; it recovers in the background. */
  async recover(words: string, invite: string, signal: AbortSignal): Promise<void> {
    await this.#adopt(await Wallet.recover({ words, invite, signal }));
    // Whoever mistyped nothing and still finds nothing should hear it; nobody waits for it.
    this.wordsAreNew = false;
    void Wallet.seenBefore({ words, invite }).then(
      (seen) => (this.wordsAreNew = seen === 'never'),
      () => {},
    );
  }

  /** Joins a federation. */
  async join(invite: string, signal: AbortSignal): Promise<void> {
    await this.#open.join({ invite, signal });
    await this.#settle();
  }

  /** Opens the locked wallet. */
  async unlock(passphrase: string, signal: AbortSignal): Promise<void> {
    await this.#open.unlock({ passphrase, signal });
  }

  /** Locks the wallet. */
  lock(): Promise<void> {
    return this.#open.lock();
  }

  /** Sets, changes or, without `next`, removes the passphrase. */
  async changePassphrase(current: string | undefined, next: string | undefined, signal: AbortSignal): Promise<void> {
    await this.#open.changePassphrase({ current, next, signal });
    await this.refresh();
  }

  /** Brings the wallet from another tab to this one. */
  takeOver(signal: AbortSignal): Promise<void> {
    return this.#open.takeOver({ signal });
  }

  /** The recovered wallet is taken into use. */
  async acknowledgeRecovery(): Promise<void> {
    await this.refresh();
    this.phase = 'ready';
  }

  /** Removes the wallet from this device. */
  async erase(): Promise<void> {
    const wallet = this.#wallet;
    this.#wallet = undefined;
    try {
      await (wallet ? wallet.erase() : Wallet.erase());
    } catch (error) {
      await this.start();
      throw error;
    }
    this.#forget();
    this.phase = 'empty';
  }

  depositAddress(): Promise<string> {
    return this.#open.depositAddress();
  }

  async claimDeposits(signal: AbortSignal): Promise<Received[]> {
    return this.#then(this.#open.claimDeposits({ signal }));
  }

  async send(amountSats: bigint): Promise<SentToken> {
    return this.#then(this.#open.send({ amountSats }));
  }

  async redeem(token: string): Promise<Received> {
    return this.#then(this.#open.redeem({ token }));
  }

  async reclaim(operationId: string): Promise<Received> {
    return this.#then(this.#open.reclaim({ operationId }));
  }

  seedWords(): Promise<string[]> {
    return this.#open.seedWords();
  }

  async pauseRecovery(): Promise<void> {
    await this.#open.pauseRecovery();
    this.recovery = await this.#open.recovery();
  }

  async resumeRecovery(): Promise<void> {
    await this.#open.resumeRecovery();
    this.recovery = await this.#open.recovery();
  }

  /** Gives a running recovery up. */
  async cancelRecovery(): Promise<void> {
    await this.#open.cancelRecovery();
    await this.#settle();
  }

  /** Has all of history read again. */
  async restartRecovery(): Promise<void> {
    await this.#open.restartRecovery();
    await this.#settle();
  }

  /** Reads again what is shown. Calls that overlap share one more round. */
  refresh(): Promise<void> {
    this.#stale = true;
    this.#refreshing ??= this.#refreshAll().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #refreshAll(): Promise<void> {
    while (this.#stale && this.#wallet) {
      this.#stale = false;
      const wallet = this.#wallet;
      const [federation, balance, operations, outstanding, hasPassphrase, backedUpAt] = await Promise.all([
        wallet.federation(),
        wallet.balance(),
        wallet.history({ limit: historyLimit }),
        wallet.outstanding(),
        wallet.hasPassphrase(),
        wallet.backedUpAt(),
      ]);
      if (wallet !== this.#wallet) return;
      Object.assign(this, { federation, balance, operations, outstanding, hasPassphrase, backedUpAt });
    }
  }

  get #open(): Wallet {
    // Pages that call wallet methods are shown only while one is open.
    if (!this.#wallet) throw new Error('no wallet is open');
    return this.#wallet;
  }

  async #adopt(wallet: Wallet): Promise<void> {
    this.#wallet = wallet;
    const failed = (error: unknown) => {
      if (wallet === this.#wallet) this.#fail(error);
    };
    wallet.on('change', () => void this.refresh().catch(failed));
    wallet.on('recovery', (progress) => (this.recovery = progress));
    wallet.on('state', () => void this.#settle().catch(failed));
    await this.#settle();
  }

  /** Decides the phase from what the wallet says. */
  async #settle(): Promise<void> {
    const wallet = this.#open;
    const state: WalletState = await wallet.state();
    if (wallet !== this.#wallet) return;
    if (state === 'locked') {
      this.#forget();
      this.phase = 'locked';
      return;
    }
    if (state === 'following') {
      // Shown at once: the other tab may have it locked, and then says nothing.
      this.phase = 'following';
      this.recovery = await this.#open.recovery();
      await this.refresh();
      return;
    }
    this.recovery = await this.#open.recovery();
    if (this.recovery && this.recovery.state !== 'done') {
      this.federation = await this.#open.federation();
      this.phase = 'recovering';
      return;
    }
    await this.refresh();
    this.phase = this.federation ? 'ready' : 'unjoined';
  }

  async #then<T>(call: Promise<T>): Promise<T> {
    const result = await call;
    await this.refresh();
    return result;
  }

  /** The wallet cannot be used as it is; one that is locked says so by itself, and then nothing of it is shown. */
  #fail(error: unknown): void {
    const code = isRekindleError(error) ? error.code : undefined;
    if (code === 'wallet_locked') return this.#forget();
    if (code === 'wallet_not_found') {
      // Another tab has erased it.
      void this.#wallet?.close();
      this.#wallet = undefined;
      this.#forget();
      this.phase = 'empty';
      return;
    }
    this.error = explain(error);
    this.phase = 'failed';
  }

  #forget(): void {
    this.federation = undefined;
    this.balance = { spendableSats: 0n, pendingSats: 0n, outstandingSats: 0n };
    this.operations = [];
    this.outstanding = [];
    this.recovery = undefined;
    this.backedUpAt = undefined;
    this.wordsAreNew = false;
    this.error = undefined;
  }
}

/** The app's one session. */
export const session = new Session();
