// A Firefox for tests.

import { Failure } from './failure.mjs';
import { installByApt, onPath } from './programs.mjs';

const BROWSERS = ['firefox-esr', 'firefox'];
const HOW_TO_GET = 'install Firefox and put it on PATH (Debian: `apt-get install firefox-esr`), or name it in FIREFOX';

const find = () => process.env.FIREFOX ?? onPath(BROWSERS);

/** The path of a Firefox, which is installed first if need be and possible. */
export async function ensureFirefox() {
  let reason = '';
  if (!find()) await installByApt(['firefox-esr']).catch((error) => (reason = ` (${error.message})`));
  const browser = find();
  if (!browser) throw new Failure(`Firefox is missing${reason}: ${HOW_TO_GET}`);
  return browser;
}
