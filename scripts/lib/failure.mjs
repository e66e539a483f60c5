// A failure that a person can act on: its message says what is wrong and what to do, so the
// scripts print it without a stack trace.

/** An expected failure: a missing program, a failed step, a limit exceeded. */
export class Failure extends Error {
  name = 'Failure';
}

/** Runs a script's main function and turns a failure into an exit code. */
export async function main(body) {
  try {
    await body();
  } catch (error) {
    console.error(`\n${error instanceof Failure ? `error: ${error.message}` : error.stack}`);
    process.exitCode = 1;
  }
}
