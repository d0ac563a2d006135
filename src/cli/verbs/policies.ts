import type { components } from '../../client/index.ts';
import { CAPABILITIES } from '../../domain/policy/index.ts';
import { parseWorkloadId, workloadOf, WORKLOAD_FORMS } from '../../domain/identity/workload.ts';
import { callWith } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { POLICY } from '../documents/kinds.ts';
import { problemAt, toManifests } from '../documents/manifest.ts';
import { absentReferences, policyOf } from '../documents/policy-references.ts';
import { readDocuments } from '../documents/read-files.ts';
import {
  EXIT,
  problemLine,
  UsageError,
  type ExitCode,
  type FileProblem,
} from '../kernel/errors.ts';
import { questionWorkload } from '../policy-test/evaluate.ts';
import { printable } from '../output/printable.ts';

interface ExplainOptions {
  readonly capability: string;
  readonly sourceAddress: string;
  readonly at?: string;
  readonly podName?: string;
  readonly podUid?: string;
  readonly label?: readonly string[];
  readonly sealed?: boolean;
  readonly session?: string;
  readonly entry?: string;
}

/** Shows the decision for a workload, or of an entry, and its reasons. @returns 3 if it is denied, or blocked despite the policies */
export async function runExplain(
  context: CliContext,
  { args, options }: Call<ExplainOptions>,
): Promise<ExitCode> {
  if (options.entry === undefined) return explainQuestion(context, { args, options });
  if (args.length > 0) throw new UsageError('--entry takes no workload and no path');
  return explainEntry(context, options.entry);
}

async function explainQuestion(
  { broker, output }: CliContext,
  { args: [who, path], options }: Call<ExplainOptions>,
): Promise<ExitCode> {
  if (who === undefined || path === undefined)
    throw new UsageError('give a workload and a path, or --entry');
  const { label, capability, sourceAddress, at, sealed, session } = options;
  const podLabels = label === undefined ? undefined : labelsOf(label);
  const { body } = await (
    await broker()
  ).call('explainDecision', {
    body: {
      workload: workloadIn(who, options),
      capability: capabilityOf(capability),
      path,
      sourceAddress,
      ...defined({ at, sealed, session, podLabels }),
    },
  });
  await output.show(body, () => body.lines.map(printable).join('\n'));
  return exitOf(body);
}

function workloadIn(
  who: string,
  { podName, podUid }: ExplainOptions,
): components['schemas']['Question']['workload'] {
  const account = parseWorkloadId(who);
  if (account === undefined)
    throw new UsageError(`the workload must have the form ${WORKLOAD_FORMS}`);
  if ((podName === undefined) !== (podUid === undefined)) {
    throw new UsageError('a pod needs both --pod-name and --pod-uid');
  }
  const workload = questionWorkload(workloadOf(account));
  if (podName === undefined) return workload;
  if ('identity' in workload) {
    throw new UsageError('--pod-name and --pod-uid are for workloads of Kubernetes');
  }
  return { ...workload, pod: { name: podName, uid: podUid ?? '' } };
}

/** Shows the recorded decision, and the one that the same caller would get now. */
async function explainEntry({ broker, output }: CliContext, entry: string): Promise<ExitCode> {
  const question = /^\d{1,15}$/.test(entry) ? { index: Number(entry) } : { requestId: entry };
  const { body } = await (await broker()).call('explainEntry', { body: question });
  await output.show(body, () =>
    body.items.map(({ lines }) => lines.map(printable).join('\n')).join('\n\n'),
  );
  return body.items.every((item) => exitOf(item) === EXIT.done) ? EXIT.done : EXIT.refused;
}

function exitOf({ steps }: Pick<components['schemas']['Explanation'], 'steps'>): ExitCode {
  return steps.every(({ verdict }) => verdict === 'passes') ? EXIT.done : EXIT.refused;
}

function capabilityOf(text: string): components['schemas']['Capability'] {
  const found = CAPABILITIES.find((each) => each === text);
  if (found === undefined)
    throw new UsageError(`--capability must be one of ${CAPABILITIES.join(', ')}`);
  return found;
}

function labelsOf(labels: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    labels.map((label) => {
      const [key = '', ...value] = label.split('=');
      if (key === '' || value.length === 0) throw new UsageError('--label must be KEY=VALUE');
      return [key, value.join('=')];
    }),
  );
}

interface ValidateOptions {
  readonly offline?: boolean;
}

/** Validates policies and lists every problem with its line. Nothing is saved. */
export async function runValidate(
  context: CliContext,
  { args, options }: Call<ValidateOptions>,
): Promise<ExitCode> {
  const documents = await readDocuments(context, args);
  const problems: FileProblem[] = [];
  if (options.offline === true) problems.push(...offlineProblems(documents));
  else {
    const broker = await context.broker();
    for (const document of documents) {
      const { body: found } = await callWith(broker, 'validatePolicy', { body: document.value });
      for (const { pointer, message } of found.problems) {
        problems.push(problemAt(document, pointer, message));
      }
    }
    if (problems.length === 0) {
      const policies = toManifests(documents, [POLICY]).map(policyOf);
      for (const line of await absentReferences(broker, policies)) {
        context.output.note(`warning: ${line}`);
      }
    }
  }
  await context.output.show({ valid: problems.length === 0, problems }, () =>
    problems.length === 0
      ? `${documents.length} valid`
      : problems.map((each) => printable(problemLine(each))).join('\n'),
  );
  return problems.length === 0 ? EXIT.done : EXIT.failed;
}

type Documents = Awaited<ReturnType<typeof readDocuments>>;

function offlineProblems(documents: Documents): readonly FileProblem[] {
  try {
    toManifests(documents, [POLICY]);
    return [];
  } catch (error) {
    if (error instanceof UsageError) return error.problems;
    throw error;
  }
}
