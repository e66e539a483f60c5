// On a server the package can be imported and its errors told apart; only a wallet needs a browser.

import assert from 'node:assert/strict';

const before = process.getActiveResourcesInfo();
const globals = Object.keys(globalThis);
const { RekindleError, Wallet, errorCodes, isRekindleError } = await import('rekindle');

assert.deepEqual(process.getActiveResourcesInfo(), before, 'importing starts nothing');
assert.deepEqual(Object.keys(globalThis), globals, 'importing leaves nothing behind');
assert.ok(errorCodes.worker_failed);
assert.ok(isRekindleError(new RekindleError('timeout')));

for (const call of [Wallet.create(), Wallet.open(), Wallet.exists(), Wallet.erase()]) {
  await assert.rejects(call, (error) => isRekindleError(error) && error.code === 'worker_failed');
}
console.log('import is safe');
