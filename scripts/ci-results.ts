import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The part of jest's JSON that is read here. */
interface SuiteResult {
  readonly name: string;
  readonly status: string;
  readonly assertionResults: readonly { readonly status: string }[];
}

const [verb, directory = '.', ...failedPhases] = process.argv.slice(2);
const MOST_REPEATED = 3;
/** Suites that start processes and servers share the cores with all others. No other suite has a second run. */
const STARTS_PROCESSES = /\/test\/(deploy|e2e|faults|interop)\/|\.real\.test\.ts$/;

function read(name: string): readonly SuiteResult[] {
  const file = join(directory, name);
  if (!existsSync(file)) return [];
  return (JSON.parse(readFileSync(file, 'utf8')) as { testResults: SuiteResult[] }).testResults;
}

/** Prints the suites to run again, alone: if few failed, and each starts processes. */
function printRepeated(): void {
  const failed = read('rest.json').filter(({ status }) => status === 'failed');
  if (failed.length > MOST_REPEATED) return;
  if (!failed.every(({ name }) => STARTS_PROCESSES.test(name))) return;
  for (const { name } of failed) console.log(name);
}

/** Prints the last line. A suite that passes only alone is named: it has a fault, and is to be repaired. */
function printCounts(): void {
  const again = read('again.json');
  const repeated = new Set(again.map(({ name }) => name));
  const first = [...read('fast.json'), ...read('rest.json')];
  const suites = [...first.filter(({ name }) => !repeated.has(name)), ...again];
  const unstable = again.filter(({ status }) => status === 'passed');
  for (const { name } of unstable) console.log(`UNSTABLE, passed only alone: ${name}`);
  const count = (...states: readonly string[]): number =>
    suites.flatMap((each) => each.assertionResults).filter(({ status }) => states.includes(status))
      .length;
  const isFailed = ({ status }: SuiteResult): boolean => status === 'failed';
  // A suite that could not be loaded has no tests to count: it is one failure.
  const unloaded = suites.filter((each) => isFailed(each) && each.assertionResults.length === 0);
  const failed = count('failed') + unloaded.length;
  const isRepaired = again.length > 0 && unstable.length === again.length;
  const phases = failedPhases.filter((phase) => phase !== 'rest' || !isRepaired);
  console.log(
    `${count('passed')} passed, ${failed} failed, ${count('pending', 'todo', 'skipped', 'disabled')} skipped`,
  );
  if (phases.length > 0 || suites.length === 0 || suites.some(isFailed)) process.exitCode = 1;
}

if (verb === 'repeated') printRepeated();
else printCounts();
