/** QR codes as one SVG path. */

import { encode } from 'uqr';

/** The largest version, 117 modules a side, that a phone's camera still reads from a screen. */
const largestScannable = 25;

/** A square of `size` modules a side, and the path that fills the dark ones. */
export interface QrPath {
  size: number;
  path: string;
}

/** The code of a text, or undefined if the text is too long to be scanned. */
export function qrPath(text: string): QrPath | undefined {
  const code = tryEncode(dense(text));
  if (!code) return undefined;
  let path = '';
  code.data.forEach((row, y) => {
    row.forEach((dark, x) => {
      if (dark) path += `M${x} ${y}h1v1h-1z`;
    });
  });
  return { size: code.size, path };
}

/** Invite codes, addresses and tokens mean the same in capitals, of which a code holds half as many again. */
function dense(text: string): string {
  return /^[a-z0-9]+$/.test(text) ? text.toUpperCase() : text;
}

function tryEncode(text: string): ReturnType<typeof encode> | undefined {
  // Not even digits, the densest, fit beyond this; encoding megabytes to learn it would freeze the page.
  if (text.length > 3_000) return undefined;
  try {
    return encode(text, { ecc: 'L', border: 3, maxVersion: largestScannable });
  } catch {
    return undefined;
  }
}
