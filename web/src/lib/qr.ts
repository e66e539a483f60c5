/** QR codes as one SVG path. */

import { encode } from 'uqr';

/** Above this many characters a phone's camera no longer reads the code from a screen. */
export const longestScannable = 900;

/** A square of `size` modules a side, and the path that fills the dark ones. */
export interface QrPath {
  size: number;
  path: string;
}

/** The code of a text, or undefined if the text is too long to be scanned. */
export function qrPath(text: string): QrPath | undefined {
  if (text.length > longestScannable) return undefined;
  const { size, data } = encode(text, { ecc: 'L', border: 3 });
  let path = '';
  data.forEach((row, y) => {
    row.forEach((dark, x) => {
      if (dark) path += `M${x} ${y}h1v1h-1z`;
    });
  });
  return { size, path };
}
