// An orderly end on Ctrl-C and termination. A signal would otherwise end a script without its `exit`
// event and leave behind what it started.

import { constants } from 'node:os';

const endings = new Set();
let ending = false;

/** Registers what must be done before this process ends by a signal; returns how to take it back. */
export function beforeEnd(action) {
  endings.add(action);
  return () => endings.delete(action);
}

for (const signal of /** @type {const} */ (['SIGHUP', 'SIGINT', 'SIGTERM'])) {
  process.on(signal, async () => {
    if (ending) return;
    ending = true;
    await Promise.allSettled([...endings].map((action) => action()));
    process.exit(128 + constants.signals[signal]);
  });
}
