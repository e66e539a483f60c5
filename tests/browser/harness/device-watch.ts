/**
 * Listens to what pages write to their consoles and ask the network for. A test fails in which a page
 * reported an error, or in which a secret turned up where others can read it.
 */

import type { BrowserContext } from '@playwright/test';

/** The browser reports every refused request as an error; with a guardian stopped that is expected. */
const NETWORK = /^Failed to load resource|net::ERR_/;

/** The consoles and requested URLs of any number of devices. */
export class DeviceWatch {
  readonly #lines: string[] = [];
  readonly #errors: string[] = [];
  readonly #urls: string[] = [];
  readonly #secrets: RegExp[] = [];

  /** Follows all pages of a device, its workers included. */
  follow(device: BrowserContext): void {
    device.on('console', (message) => {
      this.#lines.push(`${message.type()}: ${message.text()}`);
      if (message.type() === 'error' && !NETWORK.test(message.text())) this.#errors.push(message.text());
    });
    device.on('weberror', (event) => {
      this.#lines.push(`uncaught: ${event.error().stack ?? event.error().message}`);
      this.#errors.push(event.error().message);
    });
    device.on('request', (request) => this.#urls.push(request.url()));
  }

  /** A text that nobody else may see, such as a token. */
  keepSecret(text: string): void {
    this.#secrets.push(new RegExp(text.replace(/[^\w]/g, '\\$&')));
  }

  /** Seed words: no two neighbours may be seen together. A word alone is just a word. */
  keepWordsSecret(words: readonly string[]): void {
    words.slice(1).forEach((word, index) => this.#secrets.push(new RegExp(`\\b${words[index]}(%20|[^a-zA-Z])+${word}\\b`, 'i')));
  }

  /** Every URL that was asked for, in order. */
  get urls(): readonly string[] {
    return this.#urls;
  }

  /** Everything that was written, a line each. */
  get transcript(): string {
    return this.#lines.join('\n');
  }

  /** Throws if a page reported an error or a secret was seen. The message does not repeat the secret. */
  assertClean(): void {
    if (this.#errors.length > 0) throw new Error(`the page reported errors:\n${this.#errors.join('\n')}`);
    const leaks = (texts: readonly string[]) => texts.some((text) => this.#secrets.some((secret) => secret.test(text)));
    if (leaks(this.#lines)) throw new Error('a secret was written to the console');
    if (leaks(this.#urls)) throw new Error('a secret was part of a URL');
  }
}
