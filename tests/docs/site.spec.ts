/** Every page of the documentation opens, fits a desktop and a phone, and leads to pages that exist. Pictures are left in `target/screenshots`. */

import { readdirSync } from 'node:fs';
import { docsOut } from '../../scripts/lib/docs.mjs';
import { at } from '../../scripts/lib/paths.mjs';
import { elsewhere as test, expect } from '../browser/harness/fixtures.js';
import { withStaticServer } from '../browser/harness/static-server.js';

const screens = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 375, height: 720 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'dark' as const },
};

const pages = readdirSync(docsOut, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.html') && file !== '404.html');
/** Whose pictures are worth looking at. */
const PICTURES = /^(?:\w|-)+\.html$|^api\/classes\/Wallet/;

for (const [screen, options] of Object.entries(screens)) {
  test(`the documentation on a ${screen}`, async ({ newDevice }) => {
    expect(pages).toEqual(expect.arrayContaining(['index.html', 'getting-started.html', 'recovery.html', 'security.html', 'errors.html', 'api/index.html']));
    await withStaticServer(docsOut, {}, async (url) => {
      const page = await (await newDevice({ ...options, reducedMotion: 'reduce' })).newPage();
      const links = new Set<string>();
      for (const file of pages) {
        await page.goto(`${url}/${file}`);
        await expect(page.locator('h1').first()).toBeVisible();
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        expect(width, `${file} is wider than the screen`).toBeLessThanOrEqual(options.viewport.width);
        for (const link of await page.locator(`a[href^="/"]`).evaluateAll((found) => found.map((a) => (a as HTMLAnchorElement).href))) links.add(link.split('#')[0]!);
        if (PICTURES.test(file)) await page.screenshot({ path: at('target', 'screenshots', `docs-${file.replaceAll('/', '-').replace('.html', '')}-${screen}.png`) });
      }
      for (const link of links) expect((await page.request.get(link)).status(), link).toBe(200);
    });
  });
}
