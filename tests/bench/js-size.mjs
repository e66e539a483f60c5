// The size of the npm package's JavaScript, glue code and worker included.

import { measureSizes } from '../../scripts/lib/sizes.mjs';

export const prefix = 'js.bytes';
export const needs = ['package'];

/** Bytes compressed by gzip. */
export const run = async () => ({ 'js.bytes.gzip': measureSizes()['js.bytes.gzip'] });
