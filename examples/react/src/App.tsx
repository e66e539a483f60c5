import { RecoverForm } from './RecoverForm';
import { useWallet } from './useWallet';

const sats = (amount: bigint) => `${amount.toLocaleString()} sats`;

export function App() {
  const { status, recovery, balance, problem, recover } = useWallet();
  return (
    <>
      <h1>A wallet in React</h1>
      {status === 'none' && <RecoverForm onSubmit={recover} />}
      {status === 'recovering' && recovery && (
        <section>
          <progress aria-label="Recovery" value={recovery.share} />
          <p className="muted">
            {recovery.sessionsDone} of {recovery.sessionsTotal} sessions, {sats(recovery.found.amountSats)} so far
          </p>
        </section>
      )}
      {status === 'ready' && balance && (
        <section>
          <output>{sats(balance.spendableSats)}</output>
          <p className="muted">ready to spend</p>
        </section>
      )}
      {problem && <p role="alert">{problem}</p>}
    </>
  );
}
