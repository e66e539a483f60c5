/** A simulated wallet engine: instant money, slow enough recovery to watch, every error on demand. */

import { RekindleError, type RekindleErrorCode } from '../../../client-wasm/npm/src/errors';
import type { Engine, EngineListener, EngineWallet } from '../../../client-wasm/npm/src/rpc/engine';
import type { WalletCalls, WalletMethod } from '../../../client-wasm/npm/src/rpc/messages';
import type { FederationInfo, Received } from '../../../client-wasm/npm/src/types';
import { type Account, type Entry, changeWorld, readWorld } from './ledger';
import { FakeRecovery } from './recovery';

/** The invite code that the simulated federation answers to. */
export const fakeInvite = 'rk1qfakefederation7q8e4kdw0n3c5mz2hx6v9tjpyls';

const vocabulary = 'abandon ability able about above absent absorb abstract absurd abuse access accident'.split(' ');

const federation: FederationInfo = {
  federationId: '5f2c8e01b7d94a6c3d50f1e2a4b69788c1d3e5f70a2b4c6d8e9f0a1b2c3d4e5f',
  name: 'Dev federation',
  guardians: [0, 1, 2, 3].map((id) => ({ id, name: `Guardian ${id}`, url: `http://127.0.0.1:${18170 + id}/` })),
  hasFaucet: true,
};

type Calls = {
  [M in WalletMethod]: (params: WalletCalls[M]['params'], signal: AbortSignal) => Promise<WalletCalls[M]['result']>;
};

/** The engine that the fake worker serves. */
export const fakeEngine: Engine = {
  seenBefore: async ({ words }) => (words in readWorld().accounts ? 'seen' : 'never'),
  exists: async (name) => name in readWorld().wallets,
  erase: async (name) => changeWorld((world) => void delete world.wallets[name]),
  async create({ name }, listener) {
    const words = [...vocabulary].sort(() => Math.random() - 0.5).join(' ');
    changeWorld((world) => {
      if (name in world.wallets) fail('wallet_exists');
      world.wallets[name] = { words };
      world.accounts[words] = { words, joined: false, entries: [] };
    });
    return wallet(name, words, listener);
  },
  async open({ name }, listener) {
    const stored = readWorld().wallets[name] ?? fail('wallet_not_found');
    return wallet(name, stored.words, listener);
  },
  async recover({ name, words, invite }, listener, signal) {
    const list = words.split(' ');
    if (list.length !== 12) fail('words_count');
    if (!list.every((word) => vocabulary.includes(word))) fail('words_unknown');
    if (new Set(list).size !== 12) fail('words_checksum');
    await latency(signal);
    if (invite !== fakeInvite) fail('invite_invalid');
    changeWorld((world) => {
      if (name in world.wallets) fail('wallet_exists');
      world.accounts[words] ??= { words, joined: true, entries: [] };
      world.wallets[name] = { words, recovery: { done: 0, state: 'running' } };
    });
    return wallet(name, words, listener);
  },
};

function wallet(name: string, words: string, listener: EngineListener): EngineWallet {
  const account = () => readWorld().accounts[words] as Account;
  const recovery = new FakeRecovery(name, account, listener);

  const change = (update: (account: Account) => void) => {
    changeWorld((world) => update(world.accounts[words] as Account));
    listener.change();
  };
  const record = (entry: Omit<Entry, 'operationId' | 'timeMs'>): Received => {
    const operationId = crypto.randomUUID();
    change(({ entries }) => entries.unshift({ ...entry, operationId, timeMs: Date.now() }));
    return { operationId, amountSats: BigInt(entry.amount) };
  };
  const whole = () => {
    if (recovery.running) fail('recovery_running');
    if (!account().joined) fail('not_joined');
  };
  const claim = (): Received[] => {
    const address = depositAddress(words);
    const amount = readWorld().credits[address];
    if (!amount) return [];
    changeWorld((world) => void delete world.credits[address]);
    return [record({ kind: 'deposit', amount, status: 'settled' })];
  };
  const watch = setInterval(() => account().joined && !recovery.running && claim(), 500);

  const calls: Calls = {
    async join({ invite }, signal) {
      await latency(signal);
      if (invite !== fakeInvite) fail('invite_invalid');
      change((account) => (account.joined = true));
      return federation;
    },
    federation: async () => (account().joined ? federation : undefined),
    async balance() {
      const { entries } = account();
      const outstanding = sum(entries.filter((entry) => entry.status === 'outstanding'));
      return { spendableSats: spendable(entries), pendingSats: 0n, outstandingSats: outstanding };
    },
    async depositAddress() {
      whole();
      return depositAddress(words);
    },
    async claimDeposits(_, signal) {
      whole();
      await latency(signal);
      return claim();
    },
    async send({ amountSats }, signal) {
      whole();
      await latency(signal);
      if (amountSats > spendable(account().entries)) fail('insufficient_balance');
      const notes = Math.max(1, amountSats.toString(2).replaceAll('0', '').length);
      const token = `rkt1${btoa(words).toLowerCase().replace(/[^a-z0-9]/g, '').slice(0, 20)}${'q8e4kdw0n3c5mz2hx6v9tjpyls'.repeat(7 * notes)}${amountSats}x${Date.now()}`;
      const { operationId } = record({ kind: 'send', amount: String(amountSats), status: 'outstanding', token });
      return { token, amountSats, operationId };
    },
    async redeem({ token }, signal) {
      whole();
      if (!token.startsWith('rkt1')) fail('token_invalid');
      await latency(signal);
      return changeStatus(token, 'settled', (amount) => record({ kind: 'redeem', amount, status: 'settled' }));
    },
    outstanding: async () =>
      account()
        .entries.filter((entry) => entry.status === 'outstanding')
        .map(({ operationId, amount, token, timeMs }) => ({ operationId, amountSats: BigInt(amount), token, timeMs })),
    async reclaim({ operationId }, signal) {
      await latency(signal);
      const entry = account().entries.find((entry) => entry.operationId === operationId) ?? fail('operation_not_found');
      return changeStatus(entry.token ?? '', 'reclaimed', (amount) => record({ kind: 'reclaim', amount, status: 'settled' }));
    },
    async history({ limit, before }) {
      const { entries } = account();
      const from = before === undefined ? 0 : entries.findIndex((entry) => entry.operationId === before) + 1;
      return entries
        .slice(from, from + limit)
        .map(({ operationId, kind, amount, timeMs, status }) => ({ operationId, kind, amountSats: BigInt(amount), timeMs, status }));
    },
    seedWords: async () => words.split(' '),
    recovery: async () => recovery.progress(),
    steerRecovery: async ({ how }) => (how === 'pause' ? recovery.pause() : recovery.resume()),
    // Backups neither.
    backedUpAt: async () => undefined,
    knownFederations: async () => (account().joined ? [fakeInvite] : []),
    rememberFederation: async () => undefined,
    diagnostics: async () => ({ wasmMemoryBytes: 0, snapshotMs: 0, evidence: [] }),
    // Passphrases and other tabs are beyond this simulation.
    state: async () => 'open',
    hasPassphrase: async () => false,
    changePassphrase: async () => fail('internal'),
    lock: async () => fail('passphrase_missing'),
    unlock: async () => undefined,
    takeOver: async () => undefined,
    async close() {
      clearInterval(watch);
      recovery.stop();
      return undefined;
    },
    async closeAndErase(params, signal) {
      await calls.close(params, signal);
      changeWorld((world) => void delete world.wallets[name]);
      return undefined;
    },
  };
  return { call: (method, params, signal) => calls[method](params as never, signal) as never, saveSoon: () => {} };
}

function changeStatus(token: string, status: 'settled' | 'reclaimed', then: (amount: string) => Received): Received {
  const amount = changeWorld((world) => {
    const entries = Object.values(world.accounts).flatMap((account) => account.entries);
    const entry = entries.find((entry) => entry.token === token) ?? fail('token_other_federation');
    if (entry.status !== 'outstanding') fail('token_spent');
    entry.status = status;
    return entry.amount;
  });
  return then(amount);
}

function depositAddress(words: string): string {
  return `rkd1${btoa(words).toLowerCase().replace(/[^a-z0-9]/g, '').slice(0, 90)}`;
}

function spendable(entries: Entry[]): bigint {
  const sent = sum(entries.filter((entry) => entry.kind === 'send'));
  return sum(entries.filter((entry) => entry.kind !== 'send')) - sent;
}

function sum(entries: Entry[]): bigint {
  return entries.reduce((total, entry) => total + BigInt(entry.amount), 0n);
}

function latency(signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 250);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new RekindleError('aborted'));
    });
  });
}

function fail(code: RekindleErrorCode): never {
  throw new RekindleError(code);
}
