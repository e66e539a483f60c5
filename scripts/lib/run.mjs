// Runs one program to its end. A program that is missing or fails becomes a `Failure` that names it
// and says how to get it.

import { spawn } from 'node:child_process';
import { Failure } from './failure.mjs';
import { ticker } from './log.mjs';
import { root } from './paths.mjs';

const HOW_TO_GET = {
  cargo: 'install Rust from https://rustup.rs',
  rustc: 'install Rust from https://rustup.rs',
  rustup: 'install it from https://rustup.rs',
  npm: 'install Node.js 20.19 or newer, which brings it, from https://nodejs.org',
};

function start(command, args, { cwd = root, env = {}, stdio }) {
  return spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio });
}

function explain(command, error) {
  if (error.code !== 'ENOENT') return error;
  const how = HOW_TO_GET[command];
  return new Failure(`\`${command}\` is missing${how ? `: ${how}` : ''}`);
}

/**
 * Runs a program with its output shown. On a terminal it writes there directly, so that its own
 * progress display works; otherwise its lines pass through, with a sign of life in silent times.
 */
export function run(command, args, { label = command, ...options } = {}) {
  const direct = process.stdout.isTTY;
  const child = start(command, args, { ...options, stdio: ['ignore', direct ? 'inherit' : 'pipe', direct ? 'inherit' : 'pipe'] });
  const life = direct ? undefined : ticker(label);
  child.stdout?.on('data', (chunk) => (life.heard(), process.stdout.write(chunk)));
  child.stderr?.on('data', (chunk) => (life.heard(), process.stderr.write(chunk)));
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(explain(command, error)));
    child.on('close', (code, signal) => {
      if (code === 0) resolve();
      else reject(new Failure(`${label} failed (${signal ?? `exit code ${code}`}): ${command} ${args.join(' ')}`));
    });
  }).finally(() => life?.stop());
}

/** Runs a program silently and returns its exit code and what it wrote to stdout. */
export function capture(command, args, options = {}) {
  const child = start(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(explain(command, error)));
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
