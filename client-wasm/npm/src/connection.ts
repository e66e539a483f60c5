/** An open wallet's way to its worker, which starts another worker when the first one crashed. */

import { RekindleError, aborted } from './errors.js';
import { type Host, acquireHost } from './host.js';
import { Listeners } from './listeners.js';
import type { WalletCalls, WalletHandle, WalletMethod } from './rpc/messages.js';
import type { HostOptions, WalletEvents } from './types.js';
import { waitFor } from './wait.js';

/** How a wallet is opened again. */
export interface Reopening {
  name: string;
  follow: boolean;
  /** Where the worker and the wasm file come from. */
  host: HostOptions;
}

/** Makes a wallet's calls and has its events. */
export class Connection {
  readonly listeners = new Listeners<WalletEvents>();
  readonly #again: Reopening;
  #host: Host;
  #handle: WalletHandle;
  #reopening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  /** @param host is released when the wallet is closed */
  constructor(host: Host, handle: WalletHandle, again: Reopening) {
    this.#again = again;
    this.#host = host;
    this.#handle = handle;
    host.attach(handle, this.listeners);
  }

  /** Makes one call, in another worker if the last one crashed. */
  async call<M extends WalletMethod>(method: M, params: WalletCalls[M]['params'], signal?: AbortSignal): Promise<WalletCalls[M]['result']> {
    if (this.#closing) throw new RekindleError('wallet_closed');
    if (this.#host.dead) await this.#reopen();
    return this.#host.callWallet(this.#handle, method, params, signal);
  }

  /** Closes the wallet, once. Once begun, only the wait can be aborted. */
  async close(signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted) throw aborted(signal);
    this.#closing ??= this.#close('close');
    await waitFor(this.#closing, signal);
  }

  /** Closes the wallet and erases it. Once begun, only the wait can be aborted. */
  async erase(signal: AbortSignal | undefined): Promise<void> {
    if (this.#closing) throw new RekindleError('wallet_closed');
    if (signal?.aborted) throw aborted(signal);
    const erased = this.#close('closeAndErase');
    this.#closing = erased.catch(() => {});
    await waitFor(erased, signal);
  }

  async #close(method: 'close' | 'closeAndErase'): Promise<void> {
    const erases = method === 'closeAndErase';
    try {
      if (erases && this.#host.dead) await this.#reopen();
      await this.#reopening?.catch(() => {});
      await this.#host.closeWallet(this.#handle, method);
    } catch (error) {
      // A worker that is gone has closed the wallet.
      if (erases || !this.#host.dead) throw error;
    } finally {
      this.listeners.close();
      this.#host.release();
    }
  }

  #reopen(): Promise<void> {
    this.#reopening ??= this.#openAgain().finally(() => (this.#reopening = undefined));
    return this.#reopening;
  }

  /** What was unlocked is locked now: nobody keeps the passphrase. */
  async #openAgain(): Promise<void> {
    const { name, follow } = this.#again;
    const host = acquireHost(this.#again.host);
    try {
      this.#handle = await host.openWallet('open', { name, follow });
      this.#host = host;
      host.attach(this.#handle, this.listeners);
    } catch (error) {
      host.release();
      throw error;
    }
  }
}
