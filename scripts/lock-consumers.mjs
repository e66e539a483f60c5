// `npm run lock:consumers`: after a change of what the examples or the projects of the consumer tests
// depend on.

import { lockConsumers } from './lib/consumers.mjs';
import { main } from './lib/failure.mjs';

await main(lockConsumers);
