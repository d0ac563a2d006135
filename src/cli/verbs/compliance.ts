import type { Call, CliContext } from '../run/context.ts';
import { assess, CHECKS, factsOf, type CheckName, type Facts } from '../compliance/checks.ts';
import type { CheckResult, CheckState } from '../compliance/check-result.ts';
import { csvOf, htmlOf, type AssessedControl, type ComplianceReport } from '../compliance/pages.ts';
import {
  STANDARD_NAMES,
  STANDARDS,
  type Control,
  type StandardName,
} from '../compliance/standards.ts';
import { EXIT, UsageError, type ExitCode } from '../run/errors.ts';
import { coloured } from '../output/output.ts';
import { printable } from '../output/printable.ts';
import { periodOf } from '../run/time.ts';

interface ComplianceOptions {
  readonly standard?: readonly StandardName[];
  readonly since: string;
  readonly as: 'text' | 'csv' | 'html';
}

/** Assesses the controls of standards with evidence from the broker. @returns 1 if one fails */
export async function runCompliance(
  context: CliContext,
  { options: { standard: names = STANDARD_NAMES, since, as } }: Call<ComplianceOptions>,
): Promise<ExitCode> {
  const { clock, output } = context;
  if (as !== 'text' && output.format !== 'table') {
    throw new UsageError(
      `--as ${as} and --output ${output.format} both name the form; use one of them`,
    );
  }
  const { from = '' } = periodOf({ since }, clock.now());
  const { url } = (await context.target()).profile;
  const facts = factsOf(context, { broker: await context.broker(), url, from, since });
  const report = await assessStandards(facts, names);
  if (as === 'csv') await output.raw(csvOf(report));
  else if (as === 'html') await output.raw(htmlOf(report));
  else await output.show(report, () => textOf(report));
  const controls = report.standards.flatMap((each) => each.controls);
  return controls.some(({ state }) => state === 'fail') ? EXIT.failed : EXIT.done;
}

async function assessStandards(
  facts: Facts,
  names: readonly StandardName[],
): Promise<ComplianceReport> {
  const { broker, url, from, context } = facts;
  const wanted = new Set(
    names.flatMap((name) => STANDARDS[name].controls.flatMap(({ checks }) => checks)),
  );
  const results = new Map<CheckName, CheckResult>();
  for (const name of Object.keys(CHECKS) as readonly CheckName[]) {
    if (!wanted.has(name)) continue;
    context.output.progress(`checks ${name}`);
    results.set(name, await assess(name, facts));
  }
  context.output.endProgress();
  const standards = names.map((name) => ({
    name,
    title: STANDARDS[name].title,
    controls: STANDARDS[name].controls.map((control) => assessed(control, results)),
  }));
  // The checkpoint is read after the checks, so that it covers the entries that they name.
  const checkpoint = (await broker.call('readCheckpoint')).body;
  return {
    broker: url,
    from,
    to: new Date(context.clock.now()).toISOString(),
    checkpoint,
    standards,
  };
}

function assessed(
  { id, title, checks }: Control,
  results: ReadonlyMap<CheckName, CheckResult>,
): AssessedControl {
  const found = checks.flatMap((check) => {
    const result = results.get(check);
    return result === undefined ? [] : [{ check, ...result }];
  });
  return { id, title, state: stateOf(found.map(({ state }) => state)), checks: found };
}

/** One failure fails the control; nothing that was not seen passes. */
function stateOf(states: readonly CheckState[]): CheckState {
  if (states.includes('fail')) return 'fail';
  if (states.length === 0 || states.includes('not-assessed')) return 'not-assessed';
  return states.every((state) => state === 'not-applicable') ? 'not-applicable' : 'pass';
}

const MARKS = {
  pass: coloured('green', 'pass          '),
  fail: coloured('red', 'FAIL          '),
  'not-applicable': 'not applicable',
  'not-assessed': coloured('yellow', 'not assessed  '),
} as const satisfies Record<CheckState, string>;

function textOf({ standards, from, to }: ComplianceReport): string {
  return standards
    .flatMap(({ title, controls }) => [
      `${title}, ${from.slice(0, 10)} to ${to.slice(0, 10)}`,
      ...controls.flatMap(({ id, title: name, state, checks }) => [
        `  ${MARKS[state]} ${id.padEnd(7)} ${name}`,
        ...checks.flatMap(({ text, examples, state: own }) => [
          `${' '.repeat(25)}${printable(text)}`,
          ...(own === 'fail' ? examples.map((each) => `${' '.repeat(27)}${printable(each)}`) : []),
        ]),
      ]),
      summary(controls),
      '',
    ])
    .join('\n')
    .trimEnd();
}

function summary(controls: readonly AssessedControl[]): string {
  const count = (state: CheckState): number =>
    controls.filter((each) => each.state === state).length;
  return `  ${count('pass')} pass, ${count('fail')} fail, ${count('not-applicable')} not applicable, ${count('not-assessed')} not assessed`;
}
