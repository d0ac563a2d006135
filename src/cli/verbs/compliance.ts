import type { Call, CliContext } from '../connection/context.ts';
import { sourceOf } from '../connection/source.ts';
import {
  assessStandards,
  type AssessedControl,
  type ComplianceReport,
} from '../reports/compliance/assess-standards.ts';
import type { CheckState } from '../reports/compliance/check-result.ts';
import { csvOf, htmlOf } from '../reports/compliance/forms.ts';
import { STANDARD_NAMES, type StandardName } from '../reports/compliance/standards.ts';
import { EXIT, UsageError, type ExitCode } from '../kernel/errors.ts';
import { coloured } from '../output/output.ts';
import { printable } from '../output/printable.ts';
import { periodOf } from '../kernel/time.ts';

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
  const source = sourceOf(await context.broker(), output);
  const report = await assessStandards({ source, url, from, since, now: clock.now() }, names);
  output.endProgress();
  if (as === 'csv') await output.raw(csvOf(report));
  else if (as === 'html') await output.raw(htmlOf(report));
  else await output.show(report, () => textOf(report));
  const controls = report.standards.flatMap((each) => each.controls);
  return controls.some(({ state }) => state === 'fail') ? EXIT.failed : EXIT.done;
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
