/** The table of codes is the source's own. */

import { errorCodes } from 'rekindle';

export default { load: () => Object.entries(errorCodes) };
