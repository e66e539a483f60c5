// The order of functions: one wasm module before and after, by what it does and by where its functions are.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { orderFunctions } from '../lib/function-order.mjs';
import { npmBin } from '../lib/npm.mjs';
import { run } from '../lib/run.mjs';

const folder = mkdtempSync(join(tmpdir(), 'order-'));
after(() => rmSync(folder, { recursive: true, force: true }));

/** Functions of two kinds in turns: those that multiply and add, and those that store. */
function text() {
  const kinds = [
    (n) => `(func (export "f${n}") (param i32) (result i32) (i32.add (i32.mul (local.get 0) (call $import (i32.const 7))) (i32.const ${n})))`,
    (n) => `(func (export "f${n}") (param i32) (result i32) (i32.store8 (i32.const 64) (local.get 0)) (i32.store8 (i32.const 65) (i32.const ${n})) (i32.load16_u (i32.const 64)))`,
  ];
  return `(module (import "a" "b" (func $import (param i32) (result i32))) (memory 1) ${Array.from({ length: 40 }, (_, n) => kinds[n % 2](n)).join(' ')})`;
}

async function behaviour(file) {
  const { instance } = await WebAssembly.instantiate(readFileSync(file), { a: { b: (n) => n * 3 } });
  const functions = Object.values(instance.exports).filter((value) => typeof value === 'function');
  // A function of a module is named by its number there.
  return { results: functions.map((call) => call(5)), places: functions.map(({ name }) => Number(name)) };
}

test('like functions come to stand together and do what they did', async () => {
  const [source, module] = [join(folder, 'module.wat'), join(folder, 'module.wasm')];
  writeFileSync(source, text());
  await run(join(npmBin, 'wasm-opt'), [source, '-o', module], { label: 'wasm-opt' });
  const before = await behaviour(module);
  await orderFunctions(module);
  const now = await behaviour(module);

  assert.equal(now.results.length, 40);
  assert.deepEqual(now.results, before.results);
  const order = now.places.map((place, n) => ({ place, kind: n % 2 })).sort((one, other) => one.place - other.place);
  const changes = order.filter(({ kind }, at) => at > 0 && kind !== order[at - 1].kind);
  assert.equal(changes.length, 1);
});
