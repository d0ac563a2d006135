import { workloadId } from '../../domain/identity/workload.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { DOCUMENT_KINDS, POLICY } from '../documents/kinds.ts';
import { toManifests } from '../documents/manifest.ts';
import { readDocuments } from '../documents/read-files.ts';
import { EXIT, UsageError, type ExitCode } from '../kernel/errors.ts';
import { coloured } from '../output/output.ts';
import { printable } from '../output/printable.ts';
import { offlineJudge, onlineJudge, type Judge, type Verdict } from '../policy-test/evaluate.ts';
import { TEST_KIND, toCases, type PolicyCase } from '../policy-test/fixture.ts';

interface TestOptions {
  readonly policies?: string;
}

interface Outcome {
  readonly test: PolicyCase;
  readonly verdict: Verdict;
  readonly passed: boolean;
}

/** Runs policy tests against the policies of files, or of the broker if no files are given. */
export async function runPolicyTest(
  context: CliContext,
  { args, options }: Call<TestOptions>,
): Promise<ExitCode> {
  const cases = toCases(await readDocuments(context, args));
  const judge = await judgeFor(context, options);
  const outcomes: Outcome[] = [];
  for (const test of cases) {
    const verdict = await judge(test);
    outcomes.push({ test, verdict, passed: isAsExpected(test, verdict) });
  }
  const failed = outcomes.filter(({ passed }) => !passed).length;
  const passed = outcomes.length - failed;
  await context.output.show({ items: outcomes.map(toJson), passed, failed }, () =>
    [...outcomes.flatMap(toLines), `${passed} passed, ${failed} failed`].join('\n'),
  );
  return failed === 0 ? EXIT.done : EXIT.failed;
}

async function judgeFor(context: CliContext, { policies }: TestOptions): Promise<Judge> {
  if (policies === undefined) return onlineJudge(await context.broker());
  const documents = (await readDocuments(context, [policies])).filter(
    ({ value }) => !OTHER_KINDS.includes((value as { kind?: unknown } | null)?.kind),
  );
  if (documents.length === 0) {
    throw new UsageError(`--policies ${policies}: no document of kind AccessPolicy is there`);
  }
  return offlineJudge(toManifests(documents, [POLICY]));
}

/** Kinds that a directory for `apply -f`, or of tests, has beside policies. */
const OTHER_KINDS: readonly unknown[] = [
  ...DOCUMENT_KINDS.map(({ kind }) => kind).filter((kind) => kind !== POLICY.kind),
  TEST_KIND,
];

function isAsExpected({ expect, rule }: PolicyCase, verdict: Verdict): boolean {
  return verdict.effect === expect && (rule === undefined || verdict.rule === rule);
}

function toJson({ test, verdict, passed }: Outcome): object {
  const { name, who, capability, path, expect, rule, source, pointer } = test;
  const { line } = source.locate(pointer);
  return {
    ...(name !== undefined && { name }),
    who: workloadId(who),
    capability,
    path,
    expected: { effect: expect, ...(rule !== undefined && { rule }) },
    decided: { effect: verdict.effect, ...(verdict.rule !== undefined && { rule: verdict.rule }) },
    passed,
    file: source.file,
    line,
    ...(!passed && { lines: verdict.lines }),
  };
}

/** One line for each test; a failed test also shows its line, the expected decision and the reasons. */
function toLines({ test, verdict, passed }: Outcome): readonly string[] {
  const { name, who, capability, path, expect, rule, source, pointer } = test;
  const what = `${workloadId(who)} ${capability} ${path}: ${expect}`;
  const head = `${passed ? coloured('green', 'ok  ') : coloured('red', 'FAIL')} ${printable(name ?? what)}`;
  if (passed) return [head];
  const wanted = rule === undefined ? expect : `${expect} by ${rule}`;
  const place = `${source.file}:${source.locate(pointer).line}`;
  const details = [`${place}: ${what}`, `expected ${wanted}`, ...verdict.lines];
  return [head, ...details.map((line) => `     ${printable(line)}`)];
}
