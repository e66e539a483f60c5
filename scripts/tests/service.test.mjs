import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../lib/failure.mjs';
import { Service } from '../lib/service.mjs';

const node = (code) => new Service('child', process.execPath, ['-e', code]);

test('gives what the match finds in its output', async () => {
  const service = node('console.log("noise"); console.log("ready 7"); process.stdin.resume()');
  assert.equal(await service.waitFor((line) => /ready (\d)/.exec(line)?.[1], { timeoutMs: 10_000 }), '7');
  await service.stop();
});

test('passes lines to its input', async () => {
  const service = node('process.stdin.on("data", (text) => console.log(`got ${text}`))');
  const echoed = service.waitFor((line) => line === 'got stop 1', { timeoutMs: 10_000 });
  service.send('stop 1');
  assert.equal(await echoed, true);
  await service.stop();
});

test('fails with the last output when the program ends early', async () => {
  const service = node('console.error("port taken"); process.exit(3)');
  await assert.rejects(service.waitFor(() => false, { timeoutMs: 10_000 }), (error) => {
    assert.ok(error instanceof Failure);
    assert.match(error.message, /exit code 3/);
    assert.match(error.message, /port taken/);
    return true;
  });
});

test('fails when the program is missing', async () => {
  const service = new Service('child', '/nowhere/at/all', []);
  await assert.rejects(service.waitFor(() => false, { timeoutMs: 10_000 }), /does not start/);
  await service.stop();
});

test('fails when the wait is too long, and can still be stopped', async () => {
  const service = node('process.stdin.resume()');
  await assert.rejects(service.waitFor(() => false, { timeoutMs: 50 }), /was not enough/);
  await service.stop();
  assert.match(await service.exited, /SIGTERM/);
});

test('stops what the program started, too', { timeout: 30_000 }, async () => {
  // The service has ended only when nobody holds its output any more, so a survivor would be noticed.
  const grandchild = 'require("child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "inherit" })';
  const service = node(`${grandchild}.on("spawn", () => console.log("spawned")); process.stdin.resume()`);
  await service.waitFor((line) => line === 'spawned', { timeoutMs: 10_000 });
  await service.stop();
});
