// Runs one program to its end. A program that is missing or fails becomes a `Failure` that names it
// and says how to get it.

import { spawn } from 'node:child_process';
import { Failure } from './failure.mjs';
import { ticker } from './log.mjs';
import { root } from './paths.mjs';
import { beforeEnd } from './signals.mjs';

const HOW_TO_GET = {
  cargo: 'install Rust from https://rustup.rs',
  rustc: 'install Rust from https://rustup.rs',
  rustup: 'install it from https://rustup.rs',
  npm: 'install Node.js 20.19 or newer, which brings it, from https://nodejs.org',
};

function start(command, args, { cwd = root, env = {}, stdio }) {
  // In a log, colour codes are noise; some programs write them even there.
  const plain = process.stdout.isTTY ? {} : { NO_COLOR: '1' };
  const child = spawn(command, args, { cwd, env: { ...process.env, ...plain, ...env }, stdio });
  const ended = beforeEnd(() => child.kill());
  child.once('close', ended);
  child.once('error', ended);
  return child;
}

function explain(command, error) {
  if (error.code !== 'ENOENT' && error.code !== 'EACCES') return error;
  const how = HOW_TO_GET[command];
  return new Failure(`\`${command}\` is missing${how ? `: ${how}` : ''}`);
}

/**
 * @typedef {object} RunOptions
 * @property {string} [label] what to call it in messages
 * @property {string} [cwd] its current directory; the repository's root by default
 * @property {Record<string, string>} [env] variables besides this process's own
 */

/**
 * Runs a program with its output shown. On a terminal it writes there directly, so that its own
 * progress display works; otherwise its lines pass through, with a sign of life in silent times.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {RunOptions} options
 * @returns {Promise<void>}
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

/**
 * Runs a program silently and returns its exit code and what it wrote.
 *
 * @param {string} command
 * @param {string[]} args
 * @param {RunOptions} options
 */
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
