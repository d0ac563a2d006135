import type { components } from '../../client/index.ts';
import type { Call, CliContext } from '../context.ts';
import { readPods } from '../documents/pods.ts';
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
