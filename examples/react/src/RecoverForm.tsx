import { useTransition } from 'react';

/** Asks for the words and the invite code; they are kept nowhere. */
export function RecoverForm({ onSubmit }: { onSubmit: (words: string, invite: string) => Promise<void> }) {
  const [busy, start] = useTransition();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const entered = new FormData(event.currentTarget);
        start(() => onSubmit(String(entered.get('words')), String(entered.get('invite'))));
      }}
    >
      <label>
        Twelve words <textarea name="words" rows={3} required autoComplete="off" spellCheck={false} />
      </label>
      <label>
        Invite code <input name="invite" required autoComplete="off" spellCheck={false} />
      </label>
      <button disabled={busy}>Recover</button>
    </form>
  );
}
