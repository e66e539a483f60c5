// Programs that run until they are told to stop. Whatever way a script ends, its services end first.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Failure } from './failure.mjs';
import { root } from './paths.mjs';
import { beforeEnd } from './signals.mjs';

const GRACE_MS = 10_000;
const KEPT_LINES = 50;

const services = new Set();

/** One running program. */
export class Service {
  #child;
  #lines = [];
  #listeners = new Set();
  #exit;
  #error;

  /**
   * Starts a program in a process group of its own, so that Ctrl-C reaches it only through `stop`.
   * With `echo`, its output is shown line by line behind its label.
   */
  constructor(label, command, args, { cwd = root, env = {}, echo = false } = {}) {
    this.label = label;
    this.#child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio: 'pipe', detached: true });
    this.#child.stdin.on('error', () => {}); // It ended; `exited` tells.
    this.#exit = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        this.#error = error;
        resolve(`does not start: ${error.message}`);
      });
      this.#child.once('close', (code, signal) => resolve(`ended (${signal ?? `exit code ${code}`})`));
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#receive(line, echo));
    }
    services.add(this);
    this.#exit.then(() => services.delete(this));
  }

  /** Resolves with a reason when the program has ended, by itself or not. */
  get exited() {
    return this.#exit;
  }

  /** The last lines that it wrote. */
  get tail() {
    return this.#lines.join('\n');
  }

  #receive(line, echo) {
    this.#lines.push(line);
    if (this.#lines.length > KEPT_LINES) this.#lines.shift();
    if (echo) console.log(`[${this.label}] ${line}`);
    for (const listener of this.#listeners) listener(line);
  }

  /** Writes a line to its input. */
  send(line) {
    this.#child.stdin.write(`${line}\n`);
  }

  /**
   * The first result that `match` gives for a line written from now on.
   * Fails when the program ends before, or after `timeoutMs`.
   */
  async waitFor(match, { timeoutMs, what = 'to be ready' }) {
    let listener;
    let timer;
    const found = new Promise((resolve, reject) => {
      listener = (line) => {
        const result = match(line);
        if (result !== undefined && result !== null && result !== false) resolve(result);
      };
      this.#listeners.add(listener);
      const give = (reason) => reject(new Failure(`${this.label} ${reason}\n${this.tail}`));
      timer = setTimeout(() => give(`was given ${timeoutMs / 1000} s ${what}, which was not enough`), timeoutMs);
      this.#exit.then((reason) => give(`${reason} before it came ${what}`));
    });
    try {
      return await found;
    } finally {
      clearTimeout(timer);
      this.#listeners.delete(listener);
    }
  }

  /** Ends the program: politely, then, after a grace period, not. */
  async stop() {
    if (!services.has(this)) return;
    this.#signal('SIGTERM');
    const timer = setTimeout(() => this.#signal('SIGKILL'), GRACE_MS);
    await this.#exit;
    clearTimeout(timer);
  }

  /** Ends the program and its children at once; for when this process itself is about to end. */
  kill() {
    this.#signal('SIGKILL');
  }

  #signal(signal) {
    if (this.#error || this.#child.pid === undefined) return;
    try {
      process.kill(-this.#child.pid, signal);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }
}

/** Stops every service, the last one started first. */
export async function stopServices() {
  for (const service of [...services].reverse()) await service.stop();
}

beforeEnd(stopServices);

// The last resort: a crash of the script, or an exit that nobody planned.
process.on('exit', () => {
  for (const service of services) service.kill();
});
