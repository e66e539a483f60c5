/**
 * One wallet as one tab has it: open here, locked here, or open in another tab and followed.
 *
 * A Web Lock decides which tab has the wallet. The others wait for it, so that one of them has the wallet next,
 * also if the first one crashed. Until then they ask the tab that has it for what they show, over a
 * BroadcastChannel of the wallet's name, and hear of its changes there. A tab that wants the wallet asks for it.
 */

import { lockWallet, patienceMs, waitForLock } from './lock.js';
import { RpcClient } from './rpc/client.js';
import type { EngineListener, EngineWallet } from './rpc/engine.js';
import { Failure, isCrash, toWire } from './rpc/failure.js';
import type { Request, Response, WalletCalls, WalletMethod } from './rpc/messages.js';
import type { OutstandingToken, RecoveryProgress, WalletState } from './types.js';
import { type Notify, WasmWallet, walletErase } from './wasm/rekindle_wasm.js';
import { type OwnMethod, walletCalls } from './wallet-calls.js';

/** What tabs of one wallet say to each other. */
type TabMessage =
  | { type: 'ask'; from: string; request: Request }
  | { type: 'answer'; to: string; response: Extract<Response, { type: 'result' | 'error' }> }
  | { type: 'event'; progress: RecoveryProgress | undefined }
  /** Whoever has the wallet is to say so. */
  | { type: 'who' }
  /** This tab has the wallet. */
  | { type: 'here' }
  /** Whoever has the wallet is asked to let it go. */
  | { type: 'yield' };

/** What other tabs may ask for. Nothing of it is secret once tokens are left out. */
const readable: ReadonlySet<WalletMethod> = new Set<WalletMethod>(['federation', 'balance', 'outstanding', 'history', 'recovery', 'backedUpAt', 'hasPassphrase']);

const never = new AbortController().signal;
const inUse = () => new Failure('wallet_in_use', true);

/** A wallet in one tab. */
export class TabWallet implements EngineWallet {
  readonly #name: string;
  readonly #on: EngineListener;
  readonly #channel: BroadcastChannel;
  readonly #id = crypto.randomUUID();
  /** Aborted when the wallet is closed or gone. */
  readonly #end = new AbortController();
  /** Gives the wallet's lock back; there if this tab has the wallet. */
  #free: (() => void) | undefined;
  /** There if this tab has the wallet and it is not locked. */
  #wallet: WasmWallet | undefined;
  /** Aborted, with its reason, when the wallet is locked, closed or handed over. */
  #work = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  /** Calls to the tab that has the wallet. Another one takes its place when another tab has it. */
  #asking = this.#ask();
  /** Told that another tab has the wallet. */
  #elsewhere: AbortController | undefined;
  /** Told when this tab has got the wallet. */
  readonly #arrivals = new Set<() => void>();
  #failure: unknown;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(name: string, on: EngineListener) {
    this.#name = name;
    this.#on = on;
    this.#channel = new BroadcastChannel(`rekindle:${name}`);
    this.#channel.onmessage = ({ data }: MessageEvent<TabMessage>) => this.#receive(data);
  }

  /** Begins with a wallet that `make` makes, in this tab. */
  static async begin(name: string, on: EngineListener, signal: AbortSignal, make: (notify: Notify) => Promise<WasmWallet>): Promise<TabWallet> {
    const tab = new TabWallet(name, on);
    return tab.#start(async () => {
      const free = await lockWallet(name, signal);
      tab.#free = free;
      tab.#wallet = await make(tab.#notify);
    });
  }

  /** Opens a stored wallet, or follows it if it is open elsewhere and `follow` says so. */
  static async open(name: string, passphrase: string | undefined, follow: boolean, on: EngineListener, signal: AbortSignal): Promise<TabWallet> {
    const tab = new TabWallet(name, on);
    return tab.#start(async () => {
      tab.#free = await (follow ? tab.#lockUnlessElsewhere(signal) : lockWallet(name, signal));
      if (tab.#free) await tab.#open(passphrase, signal);
      else tab.#follow();
      if (tab.#state !== 'open') on.state(tab.#state);
    });
  }

  async #start(begin: () => Promise<void>): Promise<this> {
    try {
      await begin();
      if (this.#free) this.#post({ type: 'here' });
      return this;
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  async call<M extends WalletMethod>(method: M, params: WalletCalls[M]['params'], signal: AbortSignal): Promise<WalletCalls[M]['result']> {
    return (await this.#call(method, params, signal)) as WalletCalls[M]['result'];
  }

  saveSoon(): void {
    this.#wallet?.saveSoon();
  }

  get #state(): WalletState {
    if (!this.#free) return 'following';
    return this.#wallet ? 'open' : 'locked';
  }

  #call(method: WalletMethod, params: object, signal: AbortSignal): unknown {
    switch (method) {
      case 'state':
        return this.#state;
      case 'lock':
        return this.#inTurn(() => this.#lock());
      case 'unlock':
        return this.#inTurn(() => this.#unlock((params as WalletCalls['unlock']['params']).passphrase, signal));
      case 'takeOver':
        return this.#takeOver(signal);
      case 'close':
        return this.#close(async () => {});
      case 'closeAndErase':
        return this.#close(() => this.#erase());
      default:
        return this.#use(method, params, signal);
    }
  }

  /** Uses the wallet, wherever it is. */
  async #use(method: OwnMethod, params: object, signal: AbortSignal): Promise<unknown> {
    while (!this.#free) {
      if (this.#failure) throw this.#failure;
      if (!readable.has(method)) throw inUse();
      const asking = this.#asking;
      try {
        return await asking.call(method, params, { signal });
      } catch (error) {
        // Else another tab has it now, or this one.
        if (asking === this.#asking) throw error;
      }
    }
    return this.#useHere(method, params, signal);
  }

  async #useHere(method: OwnMethod, params: object, signal: AbortSignal): Promise<unknown> {
    const wallet = this.#wallet;
    if (!wallet) throw new Failure('wallet_locked');
    const work = this.#work.signal;
    const done = (async () => walletCalls[method](wallet, params as never, AbortSignal.any([signal, work])))();
    this.#running.add(done);
    try {
      return await done;
    } catch (error) {
      throw work.aborted && !signal.aborted ? work.reason : error;
    } finally {
      this.#running.delete(done);
    }
  }

  /** Ends what is under way and lets the wallet's secrets go. */
  async #stop(reason: Failure): Promise<void> {
    this.#work.abort(reason);
    await Promise.allSettled(this.#running);
    this.#work = new AbortController();
    const wallet = this.#wallet;
    this.#wallet = undefined;
    wallet?.close();
  }

  /** Opens the wallet, which stays locked without a passphrase that it needs. */
  async #open(passphrase: string | undefined, signal: AbortSignal): Promise<void> {
    try {
      this.#wallet = await WasmWallet.open(this.#name, passphrase, this.#notify, signal);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'wallet_locked') throw error;
    }
  }

  async #lock(): Promise<void> {
    if (!this.#free) throw inUse();
    if (!this.#wallet) return;
    if (!(await this.#wallet.hasPassphrase(never))) throw new Failure('passphrase_missing');
    await this.#stop(new Failure('wallet_locked'));
    this.#moved();
  }

  async #unlock(passphrase: string | undefined, signal: AbortSignal): Promise<void> {
    if (!this.#free) throw inUse();
    if (this.#wallet) return;
    await this.#open(passphrase, signal);
    this.#moved();
  }

  async #close(then: () => Promise<void>): Promise<void> {
    this.#end.abort();
    await this.#inTurn(async () => {
      try {
        await this.#stop(new Failure('wallet_closed'));
        await then();
      } finally {
        this.#leave();
      }
    });
  }

  async #erase(): Promise<void> {
    if (!this.#free) throw inUse();
    await walletErase(this.#name);
  }

  #leave(): void {
    this.#end.abort();
    this.#free?.();
    this.#channel.close();
  }

  /** The lock, or nothing if another tab says that it has the wallet. */
  async #lockUnlessElsewhere(signal: AbortSignal): Promise<(() => void) | undefined> {
    const elsewhere = (this.#elsewhere = new AbortController());
    this.#post({ type: 'who' });
    try {
      return await lockWallet(this.#name, AbortSignal.any([signal, elsewhere.signal]));
    } catch (error) {
      if (signal.aborted || !elsewhere.signal.aborted) throw error;
      return undefined;
    }
  }

  /** Waits for the wallet. */
  #follow(): void {
    const arrive = (free: () => void) =>
      this.#inTurn(async () => {
        if (this.#end.signal.aborted) return free();
        try {
          await this.#open(undefined, this.#end.signal);
          this.#free = free;
          this.#post({ type: 'here' });
        } catch (error) {
          free();
          return this.#fail(error);
        }
        this.#askAnew();
        for (const arrived of this.#arrivals) arrived();
        this.#moved();
      });
    waitForLock(this.#name, this.#end.signal).then(arrive, (error: unknown) => this.#fail(error));
  }

  /** Lets another tab have the wallet. */
  async #yield(): Promise<void> {
    const free = this.#free;
    if (!free) return;
    await this.#stop(inUse());
    this.#free = undefined;
    free();
    this.#follow();
    this.#moved();
  }

  #takeOver(signal: AbortSignal): Promise<void> | undefined {
    if (this.#free) return undefined;
    return new Promise<void>((resolve, reject) => {
      const patience = AbortSignal.timeout(patienceMs);
      const ends = AbortSignal.any([signal, patience, this.#end.signal]);
      const settle = () => {
        this.#arrivals.delete(settle);
        if (this.#free) resolve();
        else reject(this.#failure ?? (patience.aborted ? inUse() : new Failure('aborted')));
      };
      this.#arrivals.add(settle);
      ends.addEventListener('abort', settle);
      this.#post({ type: 'yield' });
    });
  }

  /** The wallet can't be followed any more. */
  #fail(error: unknown): void {
    if (this.#end.signal.aborted) return;
    this.#failure = error;
    this.#end.abort();
    this.#askAnew();
    this.#on.change();
  }

  /** The wallet was locked or unlocked, or is in another tab now. */
  #moved(): void {
    this.#on.state(this.#state);
    this.#notify();
  }

  /** Reports to this tab's page, and to other tabs if they follow this one. */
  readonly #notify: Notify = (progress) => {
    if (progress) this.#on.recovery(progress);
    else this.#on.change();
    if (this.#free) this.#post({ type: 'event', progress });
  };

  #receive(message: TabMessage): void {
    if (this.#free) {
      if (message.type === 'ask') void this.#answer(message.from, message.request);
      else if (message.type === 'who') this.#post({ type: 'here' });
      else if (message.type === 'yield') void this.#inTurn(() => this.#yield());
      return;
    }
    switch (message.type) {
      case 'answer':
        if (message.to === this.#id) this.#asking.receive(message.response);
        return;
      case 'event':
        return this.#notify(message.progress);
      case 'here':
        this.#elsewhere?.abort();
        this.#askAnew();
        // Another one that waited was first.
        if (this.#arrivals.size > 0) this.#post({ type: 'yield' });
        return this.#on.change();
    }
  }

  async #answer(to: string, request: Request): Promise<void> {
    if (request.type !== 'call') return;
    const { id, method, params } = request;
    let response: Extract<TabMessage, { type: 'answer' }>['response'];
    try {
      if (!readable.has(method as WalletMethod)) throw inUse();
      let value = await this.#useHere(method as OwnMethod, params, never);
      if (method === 'outstanding') value = (value as OutstandingToken[]).map((token) => ({ ...token, token: undefined }));
      response = { type: 'result', id, value };
    } catch (error) {
      if (isCrash(error)) throw error;
      response = { type: 'error', id, error: toWire(error) };
    }
    this.#post({ type: 'answer', to, response });
  }

  #ask(): RpcClient {
    const post = (request: Request) => this.#post({ type: 'ask', from: this.#id, request });
    return new RpcClient(post, ({ code, retryable, message }) => new Failure(code, retryable, message));
  }

  #askAnew(): void {
    const before = this.#asking;
    this.#asking = this.#ask();
    before.die(inUse());
  }

  #post(message: TabMessage): void {
    this.#channel.postMessage(message);
  }

  /** Runs one change of state after the other. */
  #inTurn<T>(change: () => Promise<T> | T): Promise<T> {
    const run = this.#turn.then(change);
    this.#turn = run.catch(() => {});
    return run;
  }
}
