// `npm start`: a development federation and the wallet, until Ctrl-C.

import { mkdirSync } from 'node:fs';
import { buildAll } from './lib/build.mjs';
import { Failure, main } from './lib/failure.mjs';
import { startFederation } from './lib/federation.mjs';
import { heading } from './lib/log.mjs';
import { at } from './lib/paths.mjs';
import { freePortFrom } from './lib/ports.mjs';
import { servePreview } from './lib/preview.mjs';
import { stopServices } from './lib/service.mjs';

const GUARDIANS = 4;
const WALLET_PORT = 4173;

await main(async () => {
  await buildAll();
  heading('Starting');
  try {
    const data = at('.rekindle', 'dev');
    mkdirSync(data, { recursive: true });
    const federation = await startFederation({ data, guardians: GUARDIANS });
    const port = await freePortFrom(WALLET_PORT);
    if (!port) throw new Failure(`port ${WALLET_PORT} and those after it are taken`);
    const wallet = await servePreview({ port, devJson: federation.devJson });

    heading('Running; Ctrl-C stops everything');
    console.log(`   wallet     ${wallet.url}`);
    federation.guardians.forEach((url, index) => console.log(`   ${index === 0 ? 'guardians' : '         '}  ${url}`));
    console.log(`   invite     ${federation.invite}`);

    const ended = await Promise.race([
      federation.exited.then((reason) => `the guardians ${reason}`),
      wallet.service.exited.then((reason) => `the wallet's server ${reason}`),
    ]);
    throw new Failure(ended);
  } finally {
    await stopServices();
  }
});
