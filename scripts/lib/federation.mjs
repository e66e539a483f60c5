// A development federation: all guardians in one process of the guardian binary.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from './failure.mjs';
import { guardianBinary } from './paths.mjs';
import { Service } from './service.mjs';

const READY_MS = 120_000;
const SWITCH_MS = 30_000;

/**
 * @typedef {object} DevFederation
 * @property {string} invite the invite code
 * @property {string[]} guardians their URLs, by index
 * @property {string} faucet the URL that credits a deposit address
 */

/** A running development federation. */
export class Federation {
  #service;

  /**
   * @param {Service} service
   * @param {string} devJson
   * @param {DevFederation} dev
   */
  constructor(service, devJson, dev) {
    this.#service = service;
    /** The file that describes it. */
    this.devJson = devJson;
    this.invite = dev.invite;
    this.guardians = dev.guardians;
    this.faucet = dev.faucet;
  }

  /** Resolves with a reason when it has ended. */
  get exited() {
    return this.#service.exited;
  }

  /** Stops one guardian; the others go on. */
  async stopGuardian(index) {
    await this.#command(`stop ${index}`, `stopped ${index}`);
  }

  /** Starts a guardian that was stopped. */
  async startGuardian(index) {
    await this.#command(`start ${index}`, `started ${index}`);
  }

  /** Stops all. */
  stop() {
    return this.#service.stop();
  }

  async #command(command, answer) {
    const answered = this.#service.waitFor((line) => (line === answer || line.startsWith('error ') ? line : undefined), {
      timeoutMs: SWITCH_MS,
      what: `to answer "${command}"`,
    });
    this.#service.send(command);
    const line = await answered;
    if (line !== answer) throw new Failure(`the guardians refused "${command}": ${line}`);
  }
}

/**
 * Starts guardians on the given data directory and waits until they are ready.
 *
 * @param {object} options
 * @param {string} options.data the directory of their databases
 * @param {number} [options.guardians] how many
 * @param {string[]} [options.args] further arguments
 * @param {boolean} [options.echo] whether to show their output
 */
export async function startFederation({ data, guardians = 4, args = [], echo = false }) {
  if (!existsSync(guardianBinary)) throw new Failure(`${guardianBinary} is missing: run \`npm run build\``);
  const service = new Service('guardians', guardianBinary, ['dev', '--guardians', String(guardians), '--data', data, ...args], { echo });
  const devJson = join(data, 'dev.json');
  await service.waitFor((line) => line.startsWith('ready '), { timeoutMs: READY_MS });
  return new Federation(service, devJson, JSON.parse(readFileSync(devJson, 'utf8')));
}
