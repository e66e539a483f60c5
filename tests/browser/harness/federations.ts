/** Federations for tests: four guardians, one of them behind a fault proxy, on new or on forged history. */

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startFederation, type Federation } from '../../../scripts/lib/federation.mjs';
import { guardianBinary } from '../../../scripts/lib/paths.mjs';
import { FaultProxy } from './fault-proxy.js';

const GUARDIANS = 4;

/** The words that forged histories are made for: they are in every description of the standard and hold nothing. */
export const FORGED_WORDS = 'legal winner thank year wave sausage worth useful legal winner thank yellow';

/** The guardian that wallets reach through the proxy alone. */
const PROXIED = 0;

/** One in so many transactions is the wallet's: few, since completing its notes takes longer than reading the rest. */
const WALLET_EVERY = 600;

/** The same wallet is recovered again and again, always from the beginning. */
const NO_BACKUPS = ['--backup-mib', '0'];

/** Four guardians, and the proxy in front of one. */
export interface ProxiedFederation {
  /** The guardians; they are stopped and started here. */
  guardians: Federation;
  /** The proxy. */
  proxy: FaultProxy;
  /** The invite code; it names the proxy. */
  invite: string;
}

/** What `guardian forge` says its wallet must find. */
export interface ForgedHistory {
  /** How many sessions there are. */
  sessions: number;
  /** What can be spent after recovery. */
  balance_sats: number;
  /** Tokens sent and not redeemed. */
  outstanding_tokens: number;
  /** Their worth. */
  outstanding_sats: number;
  /** Lines of history. */
  operations: number;
}

/** Runs `use` on a federation in a new directory, which `prepare` may fill before. */
export async function withFederation(
  use: (federation: ProxiedFederation, data: string) => Promise<void>,
  prepare?: (data: string) => Promise<void>,
): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'rekindle-federation-'));
  const proxy = await FaultProxy.start();
  try {
    await prepare?.(data);
    const args = ['--base-port', '0', '--announce', `${PROXIED}=${proxy.url}`, ...(prepare ? NO_BACKUPS : [])];
    const guardians = await startFederation({ data, guardians: GUARDIANS, args });
    const ports = JSON.parse(readFileSync(join(data, 'ports.json'), 'utf8')) as number[];
    proxy.target = `http://127.0.0.1:${ports[PROXIED]}`;
    await use({ guardians, proxy, invite: guardians.invite }, data);
    await guardians.stop();
  } finally {
    await proxy.stop();
    rmSync(data, { recursive: true });
  }
}

/** Writes a history of so many sessions for the wallet of `FORGED_WORDS`. */
export async function forge(data: string, sessions: number): Promise<void> {
  const words = join(data, 'words.txt');
  writeFileSync(words, FORGED_WORDS, { mode: 0o600 });
  const history = ['--sessions', String(sessions), '--wallet-every', String(WALLET_EVERY)];
  await promisify(execFile)(guardianBinary, ['forge', ...history, '--wallet', words, '--data', data]);
}

/** What a forged history holds. */
export function readForged(data: string): ForgedHistory {
  return JSON.parse(readFileSync(join(data, 'forge.json'), 'utf8')) as ForgedHistory;
}
