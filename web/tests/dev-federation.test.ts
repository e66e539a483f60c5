import { afterEach, expect, it, vi } from 'vitest';
import { askFaucet, findDevFederation } from '../src/lib/dev-federation';

afterEach(() => vi.unstubAllGlobals());

const answer = (response: () => Response | Promise<Response>) => vi.stubGlobal('fetch', vi.fn(async () => response()));

it('finds the federation of a development server', async () => {
  answer(() => Response.json({ invite: 'rk1abc', guardians: [], faucet: 'http://f/' }));
  expect(await findDevFederation()).toEqual({ invite: 'rk1abc', faucet: 'http://f/' });
});

it.each([
  ['404', () => Response.json({}, { status: 404 })],
  ['HTML', () => new Response('<!doctype html>')],
  ['null', () => Response.json(null)],
  ['no invite', () => Response.json({ invite: 7 })],
  ['nothing', () => Promise.reject(new TypeError('Failed to fetch'))],
])('finds none where the server answers %s', async (_name, response) => {
  answer(response);
  expect(await findDevFederation()).toBeUndefined();
});

it('asks the faucet in its own terms', async () => {
  answer(() => Response.json({}));
  await askFaucet('http://f/', 'address', 21n);
  const [url, init] = vi.mocked(fetch).mock.calls[0] ?? [];
  expect(url).toBe('http://f/');
  expect(JSON.parse(String(init?.body))).toEqual({ address: 'address', amount_sats: 21 });
});

it.each([
  ['refuses', () => new Response('', { status: 429 }), 21n],
  ['is gone', () => Promise.reject(new TypeError('Failed to fetch')), 21n],
  ['cannot count that far', () => Response.json({}), 2n ** 60n],
])('says so when the faucet %s', async (_name, response, amount) => {
  answer(response);
  await expect(askFaucet('http://f/', 'address', amount)).rejects.toMatchObject({ code: 'faucet_failed' });
});
