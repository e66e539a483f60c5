import { expect, test } from '../harness/fixtures.js';

test('the app comes up and knows the development federation', async ({ page, federation }) => {
  await page.goto('/');
  await expect(page.getByTestId('page-welcome')).toBeVisible();
  const described = await page.request.get('/dev-federation.json');
  expect(await described.json()).toMatchObject({ invite: federation.invite });
});

test('a guardian can be stopped and started by itself', async ({ request, federation: { guardians } }) => {
  const status = (index: number) => request.get(`${guardians.guardians[index]}/v1/status`, { timeout: 10_000 });
  await guardians.stopGuardian(3);
  await expect(status(3)).rejects.toThrow(/ECONNREFUSED/);
  expect((await status(0)).ok()).toBe(true);
  await guardians.startGuardian(3);
  expect((await status(3)).ok()).toBe(true);
  await expect(guardians.startGuardian(3)).rejects.toThrow(/refused/);
});
