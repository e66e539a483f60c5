/** A recovery that its owner gives up, and begins again. */

import { FORGED_WORDS } from '../harness/federations.js';
import { expect, test } from '../harness/fixtures.js';

test('given up in the middle, begun again, and done', async ({ newWallet, watch, forged }) => {
  const wallet = await newWallet();
  let held = true;
  await wallet.page.route(/\/v\d+\/recovery\?/, async (route) => {
    const from = Number(new URL(route.request().url()).searchParams.get('from'));
    // Nobody answers for the second half, so that it lasts until it is given up.
    if (!held || from < forged.history.sessions / 2) await route.continue();
  });
  watch.keepWordsSecret(FORGED_WORDS.split(' '));
  await wallet.tryToRecover(FORGED_WORDS, forged.invite);
  await expect(wallet.at('recovery-state')).toHaveAttribute('data-state', /running|waiting/);
  await wallet.at('recovery-cancel-open').click();
  await wallet.at('recovery-cancel-confirm').click();
  await expect(wallet.at('recovery-state')).toHaveAttribute('data-state', 'failed');
  await expect(wallet.at('error').first()).toHaveAttribute('data-code', 'recovery_cancelled');

  // Also after the page was closed.
  await wallet.page.reload();
  await expect(wallet.at('recovery-state')).toHaveAttribute('data-state', 'failed');
  held = false;
  await wallet.at('recovery-resume').click();
  await wallet.openRecovered();
  await wallet.expectSpendable(forged.history.balance_sats);
});
