import { type Balance, type RecoveryProgress, Wallet, isRekindleError } from 'rekindle';

/** Where the wallet of this browser profile is. */
type Status = 'opening' | 'none' | 'recovering' | 'ready';

/** The wallet of this browser profile as the page shows it. */
export class WalletStore {
  status = $state<Status>('opening');
  recovery = $state.raw<RecoveryProgress>();
  balance = $state.raw<Balance>();
  problem = $state<string>();

  /** Opens the wallet if there is one. */
  open = () =>
    this.#attempt(async () => {
      if (await Wallet.exists()) await this.#follow(await Wallet.open());
      else this.status = 'none';
    });

  /** Brings a wallet back. */
  recover = (words: string, invite: string) =>
    this.#attempt(async () => this.#follow(await Wallet.recover({ words, invite })));

  async #follow(wallet: Wallet): Promise<void> {
    for await (const step of wallet.recoveryProgress()) {
      this.status = 'recovering';
      this.recovery = step;
      this.problem = step.error?.message;
      if (step.state === 'failed') return;
    }
    wallet.on('change', () => this.#attempt(() => this.#refresh(wallet)));
    await this.#refresh(wallet);
    this.status = 'ready';
  }

  async #refresh(wallet: Wallet): Promise<void> {
    this.balance = await wallet.balance();
  }

  async #attempt(action: () => Promise<void>): Promise<void> {
    this.problem = undefined;
    try {
      await action();
    } catch (error) {
      this.problem = isRekindleError(error) ? error.message : 'Something went wrong.';
    }
  }
}
