import type { components } from '../../client/index.ts';
import { podsIn } from '../../domain/posture/pods-in.ts';
import { MalformedPod } from '../../domain/posture/pod-node.ts';
import type { Call, CliContext } from '../context.ts';
import { problemAt } from '../documents/manifest.ts';
import { readDocuments, type LocatedDocument } from '../documents/read-files.ts';
import { EXIT, UsageError, type ExitCode } from '../errors.ts';
import { coloured } from '../output/output.ts';
import { printable } from '../output/printable.ts';

interface ExplainOptions {
  readonly cluster: string;
  readonly namespace: string;
  readonly pod?: string;
}

type Explained = components['schemas']['ExplainedPosture'];

/** Asks the broker what its posture profiles find. @returns 1 if one of them, in the mode `enforce`, refuses a pod */
export async function runPostureExplain(
  context: CliContext,
  { args: places, options: { cluster, namespace, pod } }: Call<ExplainOptions>,
): Promise<ExitCode> {
  if ((pod === undefined) === (places.length === 0)) {
    throw new UsageError('name a running pod with --pod, or files; not both');
  }
  const questions =
    pod === undefined
      ? (await manifests(context, places)).map((manifest) => ({ cluster, namespace, manifest }))
      : [{ cluster, namespace, pod }];
  const broker = await context.broker();
  const items: Explained[] = [];
  for (const body of questions) {
    items.push(...(await broker.call('explainPosture', { body })).body.items);
  }
  await context.output.show({ items }, () => items.flatMap(toLines).join('\n'));
  return items.some(isRefused) ? EXIT.failed : EXIT.done;
}

async function manifests(
  context: CliContext,
  places: readonly string[],
): Promise<readonly Record<string, unknown>[]> {
  const found = (await readDocuments(context, places)).filter(hasPod);
  if (found.length > 0) return found.map(({ value }) => value as Record<string, unknown>);
  throw new UsageError(
    `${places.join(', ')}: there is no pod and no workload with a pod template in it`,
  );
}

function hasPod(document: LocatedDocument): boolean {
  try {
    return podsIn(document.value).length > 0;
  } catch (error) {
    if (!(error instanceof MalformedPod)) throw error;
    const problem = problemAt(document, error.pointer, error.message);
    throw new UsageError('a file has a pod that Kubernetes would refuse', [problem]);
  }
}

function isRefused({ profiles }: Explained): boolean {
  return profiles.some(({ mode, met }) => mode === 'enforce' && !met);
}

function toLines(item: Explained): readonly string[] {
  const verdict = isRefused(item) ? coloured('red', 'REFUSED') : coloured('green', 'ok     ');
  const unknown = item.known ? '' : ' (not known to the broker)';
  return [
    `${verdict} ${printable(item.pod)}${unknown}`,
    ...(item.profiles.length === 0 ? ['        no posture profile is for it'] : []),
    ...item.profiles.flatMap(({ name, mode, met, secretPaths, findings }) => [
      `        ${name} (${mode}, ${secretPaths.length === 0 ? 'all secrets' : secretPaths.join(', ')}): ${met ? 'met' : 'not met'}`,
      ...findings.map(
        ({ code, status, message }) => `          ${status} ${code}: ${printable(message)}`,
      ),
    ]),
  ];
}
