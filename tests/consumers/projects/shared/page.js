/** The page of every project without a framework: recovers a wallet, then shows its balance. */

import { Wallet } from 'rekindle';

/**
 * Fills the page. `options` is what each project passes to the package: nothing, or where its files are.
 *
 * @param {import('rekindle').HostOptions} [options]
 */
export async function start(options = {}) {
  document.body.innerHTML = `
    <form>
      <label>Twelve words <textarea name="words"></textarea></label>
      <label>Invite code <input name="invite"></label>
      <button>Recover</button>
    </form>
    <progress aria-label="Recovery" hidden></progress>
    <output></output>`;
  const [form, progress, output] = ['form', 'progress', 'output'].map((name) => document.querySelector(name));

  async function follow(wallet) {
    form.hidden = true;
    for await (const { share } of wallet.recoveryProgress()) {
      Object.assign(progress, { hidden: false, value: share });
    }
    progress.hidden = true;
    const { wasmMemoryBytes } = await wallet.diagnostics();
    output.title = `${wasmMemoryBytes / 1024} KiB of memory`;
    output.textContent = `${(await wallet.balance()).spendableSats.toLocaleString()} sats`;
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const { words, invite } = Object.fromEntries(new FormData(form));
    await follow(await Wallet.recover({ ...options, words, invite }));
  });
  if (await Wallet.exists(options)) await follow(await Wallet.open(options));
}
