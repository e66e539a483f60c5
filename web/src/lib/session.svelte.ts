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
} from 'rekindle';
import { type DevFederation, findDevFederation } from './dev-federation';
import { type Explained, explain } from './errors';

/**
 * - `loading`: not known yet
 * - `failed`: the wallet could not be opened
 * - `empty`: no wallet on this device
 * - `unjoined`: a wallet without a federation
 * - `recovering`: a recovery is under way, or just done and not yet acknowledged
 * - `ready`: a wallet to use
 */
export type Phase = 'loading' | 'failed' | 'empty' | 'unjoined' | 'recovering' | 'ready';

const historyLimit = 200;

class Session {
  phase = $state<Phase>('loading');
  error = $state<Explained>();
  federation = $state.raw<FederationInfo>();
  balance = $state.raw<Balance>({ spendableSats: 0n, pendingSats: 0n, outstandingSats: 0n });
  operations = $state.raw<Operation[]>([]);
  outstanding = $state.raw<OutstandingToken[]>([]);
  recovery = $state.raw<RecoveryProgress>();
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
      if (await Wallet.exists()) await this.#adopt(await Wallet.open());
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
  }

  /** Joins a federation. */
  async join(invite: string, signal: AbortSignal): Promise<void> {
    await this.#open.join({ invite, signal });
    await this.#settle();
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
      const [federation, balance, operations, outstanding] = await Promise.all([
        wallet.federation(),
        wallet.balance(),
        wallet.history({ limit: historyLimit }),
        wallet.outstanding(),
      ]);
      if (wallet !== this.#wallet) return;
      Object.assign(this, { federation, balance, operations, outstanding });
    }
  }

  get #open(): Wallet {
    // Pages that call wallet methods are shown only while one is open.
    if (!this.#wallet) throw new Error('no wallet is open');
    return this.#wallet;
  }

  async #adopt(wallet: Wallet): Promise<void> {
    this.#wallet = wallet;
    wallet.on('change', () => void this.refresh().catch((error: unknown) => this.#fail(error)));
    wallet.on('recovery', (progress) => (this.recovery = progress));
    await this.#settle();
  }

  /** Decides the phase from what the wallet says. */
  async #settle(): Promise<void> {
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

  /** The wallet cannot be used as it is. */
  #fail(error: unknown): void {
    this.error = explain(error);
    this.phase = 'failed';
  }

  #forget(): void {
    this.federation = undefined;
    this.balance = { spendableSats: 0n, pendingSats: 0n, outstandingSats: 0n };
    this.operations = [];
    this.outstanding = [];
    this.recovery = undefined;
    this.error = undefined;
  }
}

/** The app's one session. */
export const session = new Session();
