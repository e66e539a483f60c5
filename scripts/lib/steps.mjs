// Runs named steps one after another, each with a heading and its time, and sums up at the end. A
// step that fails stops only the steps that need it.

import { Failure } from './failure.mjs';
import { duration, heading } from './log.mjs';

/**
 * Runs `steps`, each `{ name, needs?: [names], run }`, prints the summary and returns whether all
 * passed. A step whose need failed counts as failed.
 */
export async function runSteps(steps) {
  const results = new Map();
  for (const { name, needs = [], run } of steps) {
    heading(name);
    const started = Date.now();
    const broken = needs.find((need) => results.has(need) && !results.get(need).passed);
    let reason = broken && `needs "${broken}", which failed`;
    if (!reason) {
      try {
        await run();
      } catch (error) {
        reason = error instanceof Failure ? error.message : error.stack;
      }
    }
    const took = Date.now() - started;
    results.set(name, { passed: !reason, took });
    if (reason) console.log(`   failed after ${duration(took)}: ${reason}`);
    else console.log(`   passed in ${duration(took)}`);
  }
  return summary(results);
}

function summary(results) {
  heading('Summary');
  const width = Math.max(...[...results.keys()].map((name) => name.length));
  for (const [name, { passed, took }] of results) {
    console.log(`   ${passed ? 'passed' : 'FAILED'}  ${name.padEnd(width)}  ${duration(took)}`);
  }
  const failed = [...results.values()].filter(({ passed }) => !passed).length;
  console.log(`\n${results.size - failed} passed, ${failed} failed`);
  return failed === 0;
}
