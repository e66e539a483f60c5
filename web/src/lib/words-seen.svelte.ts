/** Whether the owner of this device's wallet has looked at its words. The words themselves are not kept. */

const key = 'rekindle.words-seen';

class WordsSeen {
  /** True from the first look on, until the wallet is erased. */
  yes = $state(localStorage.getItem(key) !== null);

  /** The words were shown. */
  set(): void {
    localStorage.setItem(key, 'yes');
    this.yes = true;
  }

  /** The wallet is gone. */
  clear(): void {
    localStorage.removeItem(key);
    this.yes = false;
  }
}

/** The one wallet's flag. */
export const wordsSeen = new WordsSeen();
