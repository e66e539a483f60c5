// The order of functions in the wasm module: like stands beside like.
//
// A compressor finds what repeats best where it is near; gzip sees no further back than 32 KB. Much of a wallet's code is
// the same few things done to different types, and no compiler puts these next to each other.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { npmBin } from './npm.mjs';
import { run } from './run.mjs';

/** What functions are compared by: runs of so many bytes. */
const PIECE = 4;

/** How many functions before it one should be like. */
const NEIGHBOURS = 3;

/** Puts the functions of a wasm module, given as a file, into the order in which they compress best. */
export async function orderFunctions(file) {
  const module = readFileSync(file);
  // wasm-opt sorts by name, so their places are their names.
  const names = nameSection(importedFunctions(module), byLikeness(functionBodies(module)));
  writeFileSync(file, Buffer.concat([module, names]));
  await run(join(npmBin, 'wasm-opt'), [file, '-o', file, '--reorder-functions-by-name'], { label: 'wasm-opt, for the order of functions' });
}

/** An order of `bodies`, as their indices: after each comes the one that shares most with the last few. */
function byLikeness(bodies) {
  const pieces = bodies.map(piecesOf);
  const having = new Map(pieces.flatMap((all) => [...all]).map((piece) => [piece, []]));
  pieces.forEach((all, body) => all.forEach((piece) => having.get(piece).push(body)));

  const shared = new Float64Array(bodies.length);
  const count = (body, by) => pieces[body].forEach((piece) => having.get(piece).forEach((other) => (shared[other] += by)));
  // Otherwise large functions, which share something with every other, would always come first.
  const likeness = (body) => shared[body] / bodies[body].length ** 0.4;

  const left = new Set(bodies.keys());
  const order = [];
  while (left.size > 0) {
    let next;
    for (const body of left) if (next === undefined || likeness(body) > likeness(next)) next = body;
    left.delete(next);
    order.push(next);
    count(next, 1);
    if (order.length > NEIGHBOURS) count(order.at(-1 - NEIGHBOURS), -1);
  }
  return order;
}

function piecesOf(body) {
  const pieces = new Set();
  for (let at = 0; at + PIECE <= body.length; at += 1) pieces.add(body.readInt32LE(at));
  return pieces;
}

const importedFunctions = (module) => WebAssembly.Module.imports(new WebAssembly.Module(module)).filter(({ kind }) => kind === 'function').length;

const CODE_SECTION = 10;

/** The code of each function that `module` defines. */
function functionBodies(module) {
  let at = 8; // After the magic number and the version.
  const integer = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = module[at];
      at += 1;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const bytes = (length) => module.subarray(at, (at += length));
  for (;;) {
    const [section] = bytes(1);
    const length = integer();
    if (section !== CODE_SECTION) bytes(length);
    else return Array.from({ length: integer() }, () => bytes(integer()));
  }
}

const NAME_SECTION = 0;
const FUNCTION_NAMES = 1;

/** The section that gives functions the names by which they sort into `order`. */
function nameSection(imported, order) {
  const name = (place) => text(String(place).padStart(String(order.length).length, '0'));
  const names = order.map((body, place) => ({ index: imported + body, name: name(place) })).sort((one, other) => one.index - other.index);
  const list = [integer(names.length), ...names.flatMap(({ index, name }) => [integer(index), name])];
  return section(NAME_SECTION, [text('name'), section(FUNCTION_NAMES, list)]);
}

function section(kind, parts) {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(kind), integer(content.length), content]);
}

const text = (value) => Buffer.concat([integer(value.length), Buffer.from(value)]);

/** An integer in LEB128. */
function integer(value) {
  const bytes = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Buffer.of(...bytes, value);
}
