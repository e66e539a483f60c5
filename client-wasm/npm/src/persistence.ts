/** Whether the browser keeps what is stored when it runs out of space. Its answers are the page's: workers can't ask. */

import type { StorageInfo } from './types.js';
import { waitFor } from './wait.js';

/** Asks the browser never to delete by itself what this site stores. Some ask the user. */
export async function askToKeep(): Promise<boolean> {
  try {
    return (await navigator.storage?.persist?.()) ?? false;
  } catch {
    return false;
  }
}

/** What the browser says of its storage, unless the wait is aborted. */
export function storageInfo(signal: AbortSignal | undefined): Promise<StorageInfo> {
  return waitFor(ask(), signal);
}

/** Where the browser says nothing, nothing is promised. */
async function ask(): Promise<StorageInfo> {
  const [persistent, { usage, quota }] = await Promise.all([
    navigator.storage?.persisted?.().catch(() => false) ?? false,
    navigator.storage?.estimate?.().catch(() => ({})) ?? {},
  ]) as [boolean, StorageEstimate];
  return { persistent, usageBytes: usage, quotaBytes: quota };
}
