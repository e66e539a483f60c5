/** A recovery to look at: counts sessions for a few seconds. */

import type { EngineListener } from '../../../client-wasm/npm/src/rpc/engine';
import type { RecoveryProgress } from '../../../client-wasm/npm/src/types';
import { type Account, type StoredRecovery, changeWorld, readWorld } from './ledger';

const total = 100_000;
const perStep = 2_000;
const stepMs = 100;

/** The recovery of one stored wallet, if it has one. */
export class FakeRecovery {
  readonly #name: string;
  readonly #account: () => Account;
  readonly #listener: EngineListener;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(name: string, account: () => Account, listener: EngineListener) {
    this.#name = name;
    this.#account = account;
    this.#listener = listener;
    if (this.#stored?.state === 'running') this.#run();
  }

  get #stored() {
    return readWorld().wallets[this.#name]?.recovery;
  }

  /** Whether there is one that is not done. */
  get running(): boolean {
    return this.#stored !== undefined && this.#stored.state !== 'done';
  }

  progress(): RecoveryProgress | undefined {
    const stored = this.#stored;
    if (!stored) return undefined;
    const { entries } = this.#account();
    const share = stored.done / total;
    const seen = entries.slice(0, Math.ceil(entries.length * share));
    const moving = stored.state === 'running' && this.#timer !== undefined;
    return {
      state: stored.state,
      sessionsDone: stored.done,
      sessionsTotal: total,
      bytes: stored.done * 2_140,
      share,
      sessionsPerSecond: moving ? (perStep * 1000) / stepMs : 0,
      ...(moving && stored.done > 4 * perStep ? { timeLeftMs: ((total - stored.done) / perStep) * stepMs } : {}),
      guardiansInUse: moving ? [0, 1, 3] : [],
      found: {
        notes: seen.length * 5,
        amountSats: seen.reduce((sum, entry) => sum + BigInt(entry.amount) * (entry.kind === 'send' ? -1n : 1n), 0n),
        operations: seen.length,
      },
      snapshots: stored.done / perStep,
      signaturesVerified: stored.done / perStep,
      failing: [],
    };
  }

  async pause(): Promise<undefined> {
    this.stop();
    this.#store((stored) => (stored.state = 'paused'));
  }

  async resume(): Promise<undefined> {
    this.#store((stored) => (stored.state = 'running'));
    this.#run();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #run(): void {
    this.#timer = setInterval(() => {
      this.#store((stored) => {
        stored.done = Math.min(stored.done + perStep, total);
        if (stored.done === total) stored.state = 'done';
      });
      if (!this.running) {
        this.stop();
        changeWorld((world) => {
          const account = world.accounts[this.#account().words];
          if (account) account.joined = true;
        });
        this.#listener.change();
      }
    }, stepMs);
  }

  #store(change: (stored: StoredRecovery) => void): void {
    changeWorld((world) => {
      const stored = world.wallets[this.#name]?.recovery;
      if (stored) change(stored);
    });
    const progress = this.progress();
    if (progress) this.#listener.recovery(progress);
  }
}
