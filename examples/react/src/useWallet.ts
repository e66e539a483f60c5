import { useEffect, useState } from 'react';
import { type Balance, type RecoveryProgress, Wallet, isRekindleError } from 'rekindle';

/** Where the wallet of this browser profile is. */
type Status = 'opening' | 'none' | 'recovering' | 'ready';

/** Opens the wallet of this browser profile, follows it, and can recover one when there is none. */
export function useWallet() {
  const [wallet, setWallet] = useState<Wallet | null>();
  const [recovery, setRecovery] = useState<RecoveryProgress>();
  const [balance, setBalance] = useState<Balance>();
  const [problem, setProblem] = useState<string>();

  useEffect(() => {
    const unmount = new AbortController();
    const { signal } = unmount;
    const open = async () => setWallet((await Wallet.exists({ signal })) ? await Wallet.open({ signal }) : null);
    open().catch((error) => {
      if (!signal.aborted) setProblem(explain(error));
    });
    return () => unmount.abort();
  }, []);

  useEffect(() => {
    if (!wallet) return;
    const unmount = new AbortController();
    const { signal } = unmount;
    const refresh = async () => setBalance(await wallet.balance({ signal }));
    const follow = async () => {
      for await (const step of wallet.recoveryProgress({ signal })) {
        setRecovery(step);
        setProblem(step.error?.message);
      }
      await refresh();
    };
    const report = (error: unknown) => {
      if (!signal.aborted) setProblem(explain(error));
    };
    const cancel = wallet.on('change', () => refresh().catch(report));
    follow().catch(report);
    return () => {
      cancel();
      unmount.abort();
      void wallet.close();
    };
  }, [wallet]);

  async function recover(words: string, invite: string) {
    setProblem(undefined);
    try {
      setWallet(await Wallet.recover({ words, invite }));
    } catch (error) {
      setProblem(explain(error));
    }
  }

  return { status: status(wallet, recovery), recovery, balance, problem, recover };
}

function status(wallet: Wallet | null | undefined, recovery: RecoveryProgress | undefined): Status {
  if (!wallet) return wallet === null ? 'none' : 'opening';
  return recovery && recovery.state !== 'done' ? 'recovering' : 'ready';
}

function explain(error: unknown): string {
  return isRekindleError(error) ? error.message : 'Something went wrong.';
}
