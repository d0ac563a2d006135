import type { components } from '../../client/index.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { sourceOf } from '../connection/source.ts';
import { counted } from '../kernel/count.ts';
import { POSTURE_PROFILE } from '../documents/kinds.ts';
import { toManifests } from '../documents/manifest.ts';
import { readPods } from '../documents/pods.ts';
import { readDocuments } from '../documents/read-files.ts';
import { EXIT, UsageError, type ExitCode } from '../kernel/errors.ts';
import { coloured } from '../output/output.ts';
import { printable } from '../output/printable.ts';
import { surveyPods, type Surveyed } from '../reports/survey-pods.ts';
import { scopeNote } from './evidence.ts';

interface ExplainOptions {
  readonly cluster: string;
  readonly namespace: string;
  readonly pod?: string;
}

type Explained = components['schemas']['ExplainedPosture'];

/** Shows the findings of the broker's posture profiles. @returns 1 if one of them, in the mode `enforce`, refuses a pod */
export async function runPostureExplain(
  context: CliContext,
  { args: places, options: { cluster, namespace, pod } }: Call<ExplainOptions>,
): Promise<ExitCode> {
  if ((pod === undefined) === (places.length === 0)) {
    throw new UsageError('name a running pod with --pod, or files; not both');
  }
  const questions =
    pod === undefined
      ? (await readPods(context, places)).map(({ document }) => ({
          cluster,
          namespace,
          manifest: document.value as Record<string, unknown>,
        }))
      : [{ cluster, namespace, pod }];
  const broker = await context.broker();
  const items: Explained[] = [];
  for (const body of questions) {
    items.push(...(await broker.call('explainPosture', { body })).body.items);
  }
  await context.output.show({ items }, () => items.flatMap(toLines).join('\n'));
  return items.some(isRefused) ? EXIT.failed : EXIT.done;
}

function isRefused({ profiles }: Explained): boolean {
  return profiles.some(({ mode, met }) => mode === 'enforce' && !met);
}

/** Shows the findings of a file's profile at the pods that have sessions, before it is saved. @returns 1 if one does not meet it */
export async function runPostureSurvey(
  context: CliContext,
  { args: places }: Call<object>,
): Promise<ExitCode> {
  const manifests = toManifests(await readDocuments(context, places), [POSTURE_PROFILE]);
  const [manifest] = manifests;
  if (manifest === undefined || manifests.length > 1) {
    throw new UsageError(`give one posture profile; the files have ${manifests.length}`);
  }
  const items = await surveyPods(sourceOf(await context.broker()), manifest.body);
  const refused = items.filter(({ met }) => !met);
  await context.output.show({ items }, () =>
    [
      ...refused.flatMap(({ workload, pod, known, findings }) => [
        `${coloured('red', 'not met')} ${workload} ${pod.name}${unknownNote(known)}`,
        ...findingLines(findings),
      ]),
      `${counted(refused.length, 'pod')} of ${items.length} with a session, for which the profile is, would not meet it`,
    ].join('\n'),
  );
  return refused.length === 0 ? EXIT.done : EXIT.failed;
}

function toLines(item: Explained): readonly string[] {
  const verdict = isRefused(item) ? coloured('red', 'REFUSED') : coloured('green', 'ok     ');
  return [
    `${verdict} ${printable(item.pod)}${unknownNote(item.known)}`,
    ...item.evidence.map(({ scanner, kind, count, reportedAt, digests, scope }) =>
      printable(
        `        read: ${scanner}, ${counted(count, 'finding')} (${kind}), scanned ${reportedAt}, ${digests[0] ?? ''}${scopeNote(scope)}`,
      ),
    ),
    ...(item.profiles.length === 0 ? ['        no posture profile is for it'] : []),
    ...item.profiles.flatMap(({ name, mode, met, secretPaths, findings, trusted }) => [
      `        ${name} (${mode}, ${secretPaths.length === 0 ? 'all secrets' : secretPaths.join(', ')}): ${met ? 'met' : 'not met'}`,
      ...findingLines(findings),
      ...trusted.map(
        ({ container, type, authority, signer }) =>
          `          trusted ${type} of the container "${printable(container)}": ${authority} (${printable(signer)})`,
      ),
    ]),
  ];
}

const unknownNote = (isKnown: boolean): string => (isKnown ? '' : ' (not known to the broker)');

function findingLines(findings: Surveyed['findings']): readonly string[] {
  return findings.map(
    ({ code, status, message }) => `          ${status} ${code}: ${printable(message)}`,
  );
}
