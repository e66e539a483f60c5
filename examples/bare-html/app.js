// The package as it is on disk: no bundler, no import map, no build.
import { Wallet } from '../../node_modules/rekindle/dist/index.js';

const $ = (selector) => document.querySelector(selector);
const sats = (amount) => `${amount.toLocaleString()} sats`;

/** Shows one of the page's parts. */
function show(part) {
  for (const id of ['recover', 'recovery', 'wallet']) $(`#${id}`).hidden = id !== part;
}

/** Follows a wallet: its recovery to the end, then its balance. */
async function follow(wallet) {
  for await (const { state, share, sessionsDone, sessionsTotal, found, error } of wallet.recoveryProgress()) {
    show('recovery');
    Object.assign($('progress'), { value: share });
    $('#recovery p').textContent = `${sessionsDone} of ${sessionsTotal} sessions, ${sats(found.amountSats)} so far`;
    $('[role=alert]').textContent = state === 'failed' || state === 'waiting' ? error.message : '';
    if (state === 'failed') return;
  }
  const refresh = async () => ($('output').textContent = sats((await wallet.balance()).spendableSats));
  wallet.on('change', refresh);
  await refresh();
  show('wallet');
}

/** Runs one thing and says what went wrong. */
async function attempt(action) {
  $('[role=alert]').textContent = '';
  try {
    await action();
  } catch (error) {
    $('[role=alert]').textContent = error.message;
  }
}

$('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const form = event.target;
  const { words, invite } = Object.fromEntries(new FormData(form));
  attempt(async () => {
    $('button').disabled = true;
    const wallet = await Wallet.recover({ words, invite }).finally(() => ($('button').disabled = false));
    form.reset();
    await follow(wallet);
  });
});

await attempt(async () => {
  if (await Wallet.exists()) await follow(await Wallet.open());
  else show('recover');
});
