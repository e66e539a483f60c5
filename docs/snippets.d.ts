/** What the code blocks of the pages take as given. */

declare global {
  const Wallet: typeof import('rekindle').Wallet;
  const wallet: import('rekindle').Wallet;
  const invite: string;
  const words: string;
  const received: string;
  const passphrase: string;
  const signal: AbortSignal;
  /** Shows something to a person. */
  function show(text: string): void;
}

export {};
