/** A wasm module that may not grow much, as on a device without memory: what needs more than that fails or traps. */

import type { BrowserContext } from '@playwright/test';

const PAGE_BYTES = 65_536;
const MEMORY_SECTION = 5;
const HEADER_BYTES = 8;

/** Gives the device's pages the wasm module with at most `bytes` of memory beyond what it starts with. */
export async function limitMemory(device: BrowserContext, bytes: number): Promise<void> {
  await device.route('**/*.wasm', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: withLimit(await response.body(), Math.ceil(bytes / PAGE_BYTES)) });
  });
}

/** The module with a maximum in its memory section, which has none. */
function withLimit(module: Buffer, morePages: number): Buffer {
  for (let at = HEADER_BYTES; at < module.length; ) {
    const size = unsigned(module, at + 1);
    const end = size.end + size.value;
    if (module[at] === MEMORY_SECTION) {
      // One memory, without a maximum, of so many pages.
      const initial = unsigned(module, size.end + 2);
      const body = Buffer.from([1, 1, ...encoded(initial.value), ...encoded(initial.value + morePages)]);
      return Buffer.concat([module.subarray(0, at), Buffer.from([MEMORY_SECTION, ...encoded(body.length)]), body, module.subarray(end)]);
    }
    at = end;
  }
  throw new Error('the module has no memory');
}

/** A number in LEB128. */
function unsigned(bytes: Buffer, at: number): { value: number; end: number } {
  let value = 0;
  for (let shift = 0; ; shift += 7, at += 1) {
    const byte = bytes[at] ?? 0;
    value |= (byte & 127) << shift;
    if (byte < 128) return { value, end: at + 1 };
  }
}

function encoded(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...encoded(value >> 7)];
}
