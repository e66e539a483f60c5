// What the scripts print: headings, durations, and a sign of life while something is silent.

const SILENCE_MS = 15_000;
const bold = process.stdout.isTTY && !process.env.NO_COLOR ? (text) => `\x1b[1m${text}\x1b[0m` : (text) => text;

/** "4.2 s" or "3 min 05 s". */
export function duration(ms) {
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** A line that opens a step. */
export function heading(text) {
  console.log(`\n${bold(`== ${text}`)}`);
}

/** A line about what is being done. */
export function note(text) {
  console.log(`   ${text}`);
}

/**
 * Prints the elapsed time whenever nothing was heard for a while.
 * Call `heard` on output and `stop` at the end.
 */
export function ticker(label) {
  const started = Date.now();
  let last = started;
  const timer = setInterval(() => {
    if (Date.now() - last < SILENCE_MS) return;
    last = Date.now();
    note(`${label}: still running after ${duration(last - started)}`);
  }, 1000);
  return {
    heard: () => void (last = Date.now()),
    stop: () => clearInterval(timer),
  };
}
