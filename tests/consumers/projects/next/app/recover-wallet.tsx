'use client';

import { useEffect, useState } from 'react';
import { type RecoveryProgress, Wallet } from 'rekindle';

export function RecoverWallet() {
  const [progress, setProgress] = useState<RecoveryProgress>();
  const [sats, setSats] = useState<bigint>();

  async function follow(wallet: Wallet) {
    for await (const step of wallet.recoveryProgress()) setProgress(step);
    setProgress(undefined);
    setSats((await wallet.balance()).spendableSats);
  }

  async function recover(entered: FormData) {
    await follow(await Wallet.recover({ words: String(entered.get('words')), invite: String(entered.get('invite')) }));
  }

  useEffect(() => {
    void (async () => {
      if (await Wallet.exists()) await follow(await Wallet.open());
    })();
  }, []);

  return (
    <>
      <form action={recover}>
        <label>
          Twelve words <textarea name="words" />
        </label>
        <label>
          Invite code <input name="invite" />
        </label>
        <button>Recover</button>
      </form>
      {progress && <progress aria-label="Recovery" value={progress.share} />}
      {sats !== undefined && <output>{sats.toLocaleString()} sats</output>}
    </>
  );
}
