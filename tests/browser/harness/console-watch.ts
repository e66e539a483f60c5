/** Listens to what pages write to their consoles, and fails a test in which one reported an error. */

import type { BrowserContext } from '@playwright/test';

/** The browser reports every refused request as an error; with a guardian stopped that is expected. */
const NETWORK = /^Failed to load resource|net::ERR_/;

/** The consoles of any number of devices. */
export class ConsoleWatch {
  readonly #lines: string[] = [];
  readonly #errors: string[] = [];

  /** Follows all pages of a device, its workers' messages included. */
  follow(device: BrowserContext): void {
    device.on('console', (message) => {
      this.#lines.push(`${message.type()}: ${message.text()}`);
      if (message.type() === 'error' && !NETWORK.test(message.text())) this.#errors.push(message.text());
    });
    device.on('weberror', (event) => {
      this.#lines.push(`uncaught: ${event.error().stack ?? event.error().message}`);
      this.#errors.push(event.error().message);
    });
  }

  /** Everything that was written, a line each. */
  get transcript(): string {
    return this.#lines.join('\n');
  }

  /** Throws if a page reported an error. */
  assertClean(): void {
    if (this.#errors.length > 0) throw new Error(`the page reported errors:\n${this.#errors.join('\n')}`);
  }
}
