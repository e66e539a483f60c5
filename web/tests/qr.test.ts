import { expect, it } from 'vitest';
import { qrPath } from '../src/lib/qr';

it('draws what can be scanned, with a quiet zone', () => {
  const code = qrPath('rk1abc');
  expect(code?.size).toBe(21 + 6);
  // The finder pattern's corner is the first dark module behind the border.
  expect(code?.path.startsWith('M3 3h1v1h-1z')).toBe(true);
});

it('draws a token of many notes', () => {
  expect(qrPath(`rktoken1${'q8e4kdw0n3'.repeat(170)}`)?.size).toBeLessThanOrEqual(117 + 6);
});

it('leaves long texts to be passed on as text', () => {
  expect(qrPath(`rktoken1${'q8e4kdw0n3'.repeat(200)}`)).toBeUndefined();
  expect(qrPath('a-b '.repeat(400))).toBeUndefined();
  expect(qrPath('x'.repeat(1_000_000))).toBeUndefined();
});
