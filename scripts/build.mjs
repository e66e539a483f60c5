// `npm run build`: everything, optimised.

import { buildAll } from './lib/build.mjs';
import { main } from './lib/failure.mjs';
import { duration, heading } from './lib/log.mjs';
import { checkSizes } from './lib/sizes.mjs';

await main(async () => {
  const started = Date.now();
  await buildAll();
  checkSizes();
  heading(`Built in ${duration(Date.now() - started)}`);
});
