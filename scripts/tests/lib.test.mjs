import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Failure } from '../lib/failure.mjs';
import { duration } from '../lib/log.mjs';
import { freePort, freePortFrom } from '../lib/ports.mjs';
import { capture, run } from '../lib/run.mjs';
import { hashFiles, stamped, writeStamp } from '../lib/stamp.mjs';
import { runSteps } from '../lib/steps.mjs';
import { table, unit } from '../lib/table.mjs';
import { atLeast } from '../lib/toolchain.mjs';

test('versions compare by number, not by text', () => {
  assert.ok(atLeast('20.19.0', '20.19.0'));
  assert.ok(atLeast('20.20.0', '20.19.9'));
  assert.ok(atLeast('100.0.0', '20.19.0'));
  assert.ok(!atLeast('20.9.0', '20.19.0'));
  assert.ok(atLeast('1.95.0-nightly', '1.95'));
});

test('durations are readable', () => {
  assert.equal(duration(4_249), '4.2 s');
  assert.equal(duration(185_400), '3 min 05 s');
  assert.equal(duration(119_900), '2 min 00 s');
});

test('names of measurements tell their units', () => {
  assert.equal(unit('recovery.sessions.native.sessions_per_s'), 'sessions/s');
  assert.equal(unit('recovery.sessions.native.mb_per_s'), 'MB/s');
  assert.equal(unit('recovery.sessions.native.peak_wasm_bytes'), 'bytes');
  assert.equal(unit('wasm.bytes.raw'), 'bytes');
  assert.equal(unit('payment.latency_ms.p50'), 'ms');
  assert.equal(unit('recovery.sessions.native.pairings'), '');
});

test('the table lines up its columns', () => {
  assert.equal(table({ 'a.bytes': 1234, 'bb.pairings': 3 }), '   a.bytes      1,234 bytes\n   bb.pairings      3');
});

test('a taken port is skipped', async () => {
  const port = await freePort();
  const server = createServer().listen(port, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    assert.ok((await freePortFrom(port)) > port);
    assert.equal(await freePortFrom(port, 1), undefined);
  } finally {
    server.close();
  }
});

test('a stamp holds until a file changes, appears or goes', () => {
  const folder = mkdtempSync(join(tmpdir(), 'rekindle-stamp-'));
  try {
    const [input, other, stamp] = ['input', 'other', 'deep/stamp'].map((name) => join(folder, name));
    writeFileSync(input, 'one');
    const hash = () => hashFiles([input, other]);
    assert.ok(!stamped(stamp, hash()));
    writeStamp(stamp, hash());
    assert.ok(stamped(stamp, hash()));
    writeFileSync(input, 'two');
    assert.ok(!stamped(stamp, hash()));
    writeFileSync(input, 'one');
    writeFileSync(other, '');
    assert.ok(!stamped(stamp, hash()));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a missing program is named, with how to get it', async () => {
  await assert.rejects(capture('cargo', [], { env: { PATH: '/nowhere' } }), (error) => {
    assert.ok(error instanceof Failure);
    assert.match(error.message, /`cargo` is missing.*rustup\.rs/);
    return true;
  });
});

test('a program that fails is a failure with its label', async () => {
  await assert.rejects(run(process.execPath, ['-e', 'process.exit(4)'], { label: 'the label' }), /the label failed \(exit code 4\)/);
});

test('a failed step stops only those that need it', async (context) => {
  const log = context.mock.method(console, 'log', () => {});
  const ran = [];
  const step = (name, needs = [], fail = false) => ({
    name,
    needs,
    run: async () => {
      ran.push(name);
      if (fail) throw new Failure('broken');
    },
  });
  assert.equal(await runSteps([step('a', [], true), step('b', ['a']), step('c'), step('d', ['b'])]), false);
  assert.deepEqual(ran, ['a', 'c']);
  assert.equal(log.mock.calls.at(-1).arguments[0], '\n1 passed, 3 failed');
  assert.equal(await runSteps([step('e'), step('f', ['e'])]), true);
});
