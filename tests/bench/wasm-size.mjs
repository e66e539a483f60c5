// The size of the wasm module that a visitor downloads, beside others that wallets and editors ship.

import { measureSizes } from '../../scripts/lib/sizes.mjs';

export const prefix = 'wasm.bytes';
export const needs = ['package'];

/** Megabytes of published packages, measured in 2026: raw, by gzip and by brotli. */
const PEERS = {
  fedimint_client: [8.22, 3.03, 2.16],
  matrix_crypto: [7.81, 2.09, 1.44],
  metamask_bdk: [2.16, 0.8, 0.6],
  ywasm: [0.78, 0.27, 0.21],
};

/** Bytes raw and compressed by gzip and brotli. */
export const run = async () => ({ ...pick(measureSizes()), ...peers() });

const peers = () =>
  Object.fromEntries(
    Object.entries(PEERS).flatMap(([name, sizes]) => ['raw', 'gzip', 'brotli'].map((form, i) => [`${prefix}.${form}.of_${name}`, sizes[i] * 1e6])),
  );

const pick = (sizes) => Object.fromEntries(Object.entries(sizes).filter(([name]) => name.startsWith(prefix)));
