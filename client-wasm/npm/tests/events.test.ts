import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type RecoveryProgress, Wallet } from '../src/index.js';
import { iterate } from '../src/iterate.js';
import type { EngineListener } from '../src/rpc/engine.js';
import { FakeWorkers } from './fake-worker.js';
import { engineWallet, rejection, step } from './support.js';

let workers: FakeWorkers;
let workerUrl: string;
let testNumber = 0;
const recoveries = new Map<string, RecoveryProgress | undefined>();
const listeners = new Map<string, EngineListener>();

beforeEach(() => {
  workers = new FakeWorkers();
  workers.use({
    open: ({ name }, listener) => {
      listeners.set(name, listener);
      return Promise.resolve(
        engineWallet({
          recovery: () => Promise.resolve(recoveries.get(name)),
          balance: () => Promise.resolve({ spendableSats: 0n, pendingSats: 0n, outstandingSats: 0n }),
        }),
      );
    },
  });
  vi.stubGlobal('Worker', workers.workerClass());
  workerUrl = `https://test/events/${testNumber++}/worker.js`;
});

afterEach(() => vi.unstubAllGlobals());

it('reports changes until the listener is cancelled', async () => {
  const { wallet, listener } = await open();
  let changes = 0;
  const cancel = wallet.on('change', () => (changes += 1));
  listener.change();
  await vi.waitFor(() => expect(changes).toBe(1));
  cancel();
  cancel();
  listener.change();
  await wallet.balance();
  expect(changes).toBe(1);
});

it('keeps wallets of one worker apart', async () => {
  const one = await open('one');
  const two = await open('two');
  const heard: string[] = [];
  one.wallet.on('change', () => heard.push('one'));
  two.wallet.on('change', () => heard.push('two'));
  two.listener.change();
  await vi.waitFor(() => expect(heard).toEqual(['two']));
});

it('lets no listener disturb another', async () => {
  const reported: unknown[] = [];
  vi.stubGlobal('reportError', (error: unknown) => reported.push(error));
  const { wallet, listener } = await open();
  const heard = vi.fn();
  wallet.on('change', () => {
    throw new Error('mine');
  });
  wallet.on('change', heard);
  listener.change();
  await vi.waitFor(() => expect(heard).toHaveBeenCalled());
  expect(reported).toEqual([new Error('mine')]);
});

it('does not lose what is reported while the wallet opens', async () => {
  workers.use({
    recover: (_params, listener) => {
      listener.recovery(step(1));
      listener.recovery(step(2));
      return Promise.resolve(engineWallet());
    },
  });
  const seen: number[] = [];
  await Wallet.recover({ workerUrl, words: 'a b', invite: 'i', onProgress: (p) => seen.push(p.sessionsDone) });
  await vi.waitFor(() => expect(seen).toEqual([2]));
});

it('iterates progress from where it stands to the end', async () => {
  const { wallet, listener } = await open('default', step(10));
  const seen: RecoveryProgress[] = [];
  for await (const progress of wallet.recoveryProgress()) {
    seen.push(progress);
    if (progress.sessionsDone < 90) listener.recovery(step(progress.sessionsDone + 40));
    else if (progress.state === 'running') listener.recovery(step(100, 'done'));
  }
  expect(seen.map((p) => [p.sessionsDone, p.state])).toEqual([
    [10, 'running'],
    [50, 'running'],
    [90, 'running'],
    [100, 'done'],
  ]);
  expect(seen[0]?.found.amountSats).toBe(7n);
});

it('gives a slow reader the latest step', async () => {
  const { wallet, listener } = await open('default', step(1));
  const steps = wallet.recoveryProgress()[Symbol.asyncIterator]();
  await steps.next();
  let heard = 0;
  wallet.on('recovery', () => (heard += 1));
  for (const done of [2, 3, 4]) listener.recovery(step(done));
  await vi.waitFor(() => expect(heard).toBe(3));
  expect((await steps.next()).value?.sessionsDone).toBe(4);
});

it('ends at once where there is no recovery, and when the wallet is closed', async () => {
  const fresh = await open('fresh');
  for await (const _ of fresh.wallet.recoveryProgress()) throw new Error('there is none');

  const running = await open('running', step(1));
  const steps = running.wallet.recoveryProgress()[Symbol.asyncIterator]();
  await steps.next();
  const next = steps.next();
  await running.wallet.close();
  expect(await next).toEqual({ done: true, value: undefined });
});

it('ends with `aborted` when its signal says so, also before it began', async () => {
  const { wallet } = await open('default', step(1));
  const controller = new AbortController();
  const steps = wallet.recoveryProgress({ signal: controller.signal })[Symbol.asyncIterator]();
  await steps.next();
  const next = rejection(steps.next());
  controller.abort();
  expect(await next).toMatchObject({ code: 'aborted' });
  const late = wallet.recoveryProgress({ signal: controller.signal })[Symbol.asyncIterator]();
  expect(await rejection(late.next())).toMatchObject({ code: 'aborted' });
});

it('ends with `crashed` when the worker dies', async () => {
  const { wallet } = await open('default', step(1));
  const steps = wallet.recoveryProgress()[Symbol.asyncIterator]();
  await steps.next();
  const next = rejection(steps.next());
  workers.started.at(-1)?.onerror?.({ message: 'gone' });
  expect(await next).toMatchObject({ code: 'crashed' });
});

it('iterates events, the latest only, until the wallet is closed', async () => {
  const { wallet, listener } = await open();
  const changes = wallet.events('change')[Symbol.asyncIterator]();
  const states = wallet.events('state')[Symbol.asyncIterator]();
  const [change, state] = [changes.next(), states.next()];
  listener.change();
  expect(await change).toEqual({ done: false, value: undefined });
  for (const now of ['open', 'locked', 'following'] as const) listener.state(now);
  expect(await state).toEqual({ done: false, value: 'open' });
  await wallet.balance();
  expect(await states.next()).toEqual({ done: false, value: 'following' });
  const after = [changes.next(), states.next()];
  await wallet.close();
  expect(await Promise.all(after)).toEqual(after.map(() => ({ done: true, value: undefined })));
  expect(await wallet.events('change')[Symbol.asyncIterator]().next()).toMatchObject({ done: true });
});

it('goes on with events of the next worker', async () => {
  const { wallet } = await open();
  const changes = wallet.events('change')[Symbol.asyncIterator]();
  const change = changes.next();
  workers.started.at(-1)?.onerror?.({ message: 'gone' });
  expect(await change).toMatchObject({ done: false });
  await wallet.balance();
  const next = changes.next();
  listeners.get('default')?.change();
  expect(await next).toMatchObject({ done: false });
  const last = changes.next();
  await wallet.close();
  expect(await last).toMatchObject({ done: true });
});

it('ends the iteration of events when its signal says so', async () => {
  const { wallet, listener } = await open();
  const controller = new AbortController();
  const states = wallet.events('state', { signal: controller.signal })[Symbol.asyncIterator]();
  const state = rejection(states.next());
  controller.abort('enough');
  expect(await state).toMatchObject({ code: 'aborted', cause: 'enough' });
  // Nobody listens any more.
  listener.state('locked');
  expect(await states.next()).toMatchObject({ done: true });
});

it('listens no longer than it is iterated', async () => {
  const [unsubscribe, unwatch] = [vi.fn(), vi.fn()];
  const subscribe = (listener: (value: number) => void) => (listener(1), unsubscribe);
  for await (const value of iterate({ subscribe, closed: () => unwatch, signal: undefined })) {
    expect(value).toBe(1);
    break;
  }
  expect(unsubscribe).toHaveBeenCalledTimes(1);
  expect(unwatch).toHaveBeenCalledTimes(1);
});

/** Opens a wallet with this recovery, in the one worker of the test. */
async function open(name = 'default', recovery?: RecoveryProgress): Promise<{ wallet: Wallet; listener: EngineListener }> {
  recoveries.set(name, recovery);
  const wallet = await Wallet.open({ workerUrl, name });
  return { wallet, listener: listeners.get(name) as EngineListener };
}
