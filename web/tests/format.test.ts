import { isRekindleError } from 'rekindle';
import { describe, expect, it } from 'vitest';
import { formatAmount, formatBytes, formatDuration, parseAmount } from '../src/lib/format';

describe('parseAmount', () => {
  it.each([
    ['1', 1n],
    [' 21 ', 21n],
    ['1,000', 1000n],
    ["1'234'567", 1234567n],
    ['1 000', 1000n],
    ['18446744073709551616', 18446744073709551616n],
    ['0', 0n],
  ])('reads %j', (text, amount) => expect(parseAmount(text)).toBe(amount));

  it.each(['', ' ', 'ten', '-5', '1.5', '1,5', '10,00', '0x10', '1e3', '12 34', '+1', '٣'])('rejects %j', (text) => {
    let error: unknown;
    try {
      parseAmount(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(isRekindleError(error) && error.code).toBe('amount_invalid');
  });

  it('reads what formatAmount writes', () => {
    for (const amount of [0n, 999n, 1000n, 123456789012345678901n]) expect(parseAmount(formatAmount(amount))).toBe(amount);
  });
});

it('rounds durations to what a person wants to know', () => {
  expect([0, 400, 12_300, 59_400, 60_000, 200_000, 3_600_000, 7_500_000].map(formatDuration)).toEqual([
    'less than a second',
    'less than a second',
    '12 s',
    '59 s',
    '1 min',
    '3 min',
    '1 h 0 min',
    '2 h 5 min',
  ]);
});

it('picks the unit of bytes', () => {
  expect([999, 1_500, 12_340_000, 5_000_000_000].map(formatBytes)).toEqual(['999 bytes', '2 KB', '12.3 MB', '5.00 GB']);
});
