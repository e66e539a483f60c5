import { RekindleError, type RekindleErrorCode, errorCodes } from 'rekindle';
import { expect, it } from 'vitest';
import { AppError, explain, sentences } from '../src/lib/errors';

it.each(Object.keys(errorCodes) as RekindleErrorCode[])('has a sentence for %s', (code) => {
  expect(sentences[code]).toMatch(/^[A-Z].*[.?]$/);
  expect(explain(new RekindleError(code, 'for developers', { retryable: true }))).toEqual({
    code,
    text: sentences[code],
    retryable: true,
  });
});

it('shows nothing of what it does not know', () => {
  expect(explain(new Error('abandon ability able'))).toEqual({ code: 'internal', text: sentences.internal, retryable: false });
  expect(explain('text').code).toBe('internal');
});

it('keeps what the app itself says', () => {
  expect(explain(new AppError('faucet_failed', 'The faucet refused (429).'))).toMatchObject({
    code: 'faucet_failed',
    text: 'The faucet refused (429).',
  });
});
