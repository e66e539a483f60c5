import { expect, it } from 'vitest';
import { longestScannable, qrPath } from '../src/lib/qr';

it('draws what can be scanned, with a quiet zone', () => {
  const code = qrPath('rk1abc');
  expect(code?.size).toBe(21 + 6);
  // The finder pattern's corner is the first dark module behind the border.
  expect(code?.path.startsWith('M3 3h1v1h-1z')).toBe(true);
  expect(qrPath('x'.repeat(longestScannable))).toBeDefined();
});

it('leaves long texts to be passed on as text', () => {
  expect(qrPath('x'.repeat(longestScannable + 1))).toBeUndefined();
  expect(qrPath('x'.repeat(1_000_000))).toBeUndefined();
});
