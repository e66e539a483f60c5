/** The federation of a development server, if this page comes from one. */

import { AppError } from './errors';

/** What the development server tells of its federation. */
export interface DevFederation {
  /** Invite code to prefill. */
  invite: string;
  /** URL that credits deposit addresses with play money, if there is one. */
  faucet?: string;
}

/** Asks the server this page came from. Undefined everywhere but in development. */
export async function findDevFederation(): Promise<DevFederation | undefined> {
  try {
    const response = await fetch('/dev-federation.json', { headers: { Accept: 'application/json' } });
    if (!response.ok) return undefined;
    const { invite, faucet }: Record<string, unknown> = await response.json();
    if (typeof invite !== 'string') return undefined;
    return { invite, ...(typeof faucet === 'string' ? { faucet } : {}) };
  } catch {
    // A static host answers with nothing or with HTML: not a development server.
    return undefined;
  }
}

/** Has a test faucet credit an address. */
export async function askFaucet(faucet: string, address: string, amountSats: bigint): Promise<void> {
  const amount = Number(amountSats);
  if (!Number.isSafeInteger(amount)) throw new AppError('faucet_failed', 'The faucet does not hold that much.');
  let response: Response;
  try {
    response = await fetch(faucet, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ address, amount_sats: amount }),
    });
  } catch {
    throw new AppError('faucet_failed', 'The faucet does not answer. Is the dev federation still running?');
  }
  if (!response.ok) throw new AppError('faucet_failed', `The faucet refused (${response.status}).`);
}
