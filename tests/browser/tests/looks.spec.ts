/** Every page fits a desktop and a phone. What they look like is left in `target/screenshots`. */

import type { BrowserContextOptions } from '@playwright/test';
import { at } from '../../../scripts/lib/paths.mjs';
import { FORGED_WORDS } from '../harness/federations.js';
import { expect, test } from '../harness/fixtures.js';
import { WalletPage } from '../harness/wallet-page.js';

const screens: Record<string, BrowserContextOptions> = {
  desktop: { viewport: { width: 1024, height: 800 } },
  phone: { viewport: { width: 375, height: 720 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true, colorScheme: 'dark' },
};

for (const [screen, options] of Object.entries(screens)) {
  test(`pages on a ${screen}`, async ({ newWallet, forged, watch }) => {
    const wallet = await newWallet({ ...options, reducedMotion: 'reduce' });
    await shoot(wallet, screen, 'welcome');

    // Slow enough to be looked at.
    forged.proxy.bytesPerSecond = 1_000_000;
    await wallet.at('welcome-recover').click();
    await shoot(wallet, screen, 'recover');
    await wallet.tryToRecover(FORGED_WORDS, forged.invite);
    await expect(wallet.at('recovery-found')).not.toHaveAttribute('data-notes', '0');
    await shoot(wallet, screen, 'recovering');
    forged.proxy.reset();
    await expect(wallet.at('recovery-continue')).toBeVisible({ timeout: 60_000 });
    await shoot(wallet, screen, 'recovered');
    await wallet.openRecovered();
    await shoot(wallet, screen, 'history');
    await wallet.erase();

    await wallet.at('welcome-create').click();
    await shoot(wallet, screen, 'join');
    await wallet.join();
    await shoot(wallet, screen, 'new');
    await wallet.fund(20_000);
    await wallet.go('receive');
    await shoot(wallet, screen, 'receive');
    await wallet.send(1_250);
    await shoot(wallet, screen, 'send');
    await wallet.redeem(await wallet.send(300));
    await shoot(wallet, screen, 'redeem');
    await wallet.go('home');
    await wallet.expectHistorySettled();
    await shoot(wallet, screen, 'home');
    await wallet.words();
    await shoot(wallet, screen, 'settings');

    const second = await WalletPage.open(wallet.page.context(), watch);
    await expect(second.at('balance-spendable')).toBeVisible();
    await shoot(second, screen, 'following');
    watch.keepSecret('correct horse');
    await wallet.at('passphrase-next').fill('correct horse');
    await wallet.at('passphrase-repeat').fill('correct hose');
    await wallet.at('passphrase-submit').click();
    await wallet.expectError('passphrase_repeat');
    await shoot(wallet, screen, 'passphrase-mistyped');
    await wallet.at('passphrase-repeat').fill('correct horse');
    await wallet.at('passphrase-submit').click();
    await expect(wallet.at('passphrase-says')).toHaveText(/./);
    await shoot(wallet, screen, 'passphrase');
    await wallet.at('passphrase-lock').click();
    await expect(second.at('balance-spendable')).toBeHidden();
    await shoot(second, screen, 'following-locked');
    await shoot(wallet, screen, 'locked');
    await wallet.at('locked-passphrase').fill('wrong');
    await wallet.at('locked-submit').click();
    await wallet.expectError('passphrase_wrong');
    await expect(wallet.at('locked-passphrase')).toBeFocused();
    await shoot(wallet, screen, 'locked-wrong');
  });
}

/** Takes a picture of the whole page; nothing may stick out at its side. */
async function shoot({ page }: WalletPage, screen: string, name: string): Promise<void> {
  await expect(page.locator('h1')).toBeVisible();
  // A phone's browser widens its viewport for a page that is too wide, so the screen is the measure.
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  expect(width, `${name} is wider than the screen`).toBeLessThanOrEqual(page.viewportSize()!.width);
  await page.screenshot({ path: at('target', 'screenshots', `${name}-${screen}.png`), fullPage: true });
}
