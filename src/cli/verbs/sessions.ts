import type { components } from '../../client/index.ts';
import { confirm } from '../ask.ts';
import { collect } from '../collect.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { Failed } from '../failed.ts';
import { table } from '../output/table.ts';
import { UsageError } from '../usage-error.ts';
import { endedText } from './ended-text.ts';

interface SessionFilter {
  readonly workload?: string;
  readonly cluster?: string;
  readonly pod?: string;
  readonly source?: string;
}

export async function runSessionList(
  { broker, output }: CliContext,
  { options }: Call<SessionFilter>,
): Promise<void> {
  const { workload, cluster, pod, source } = options;
  const query = defined({ workload, cluster, pod, source, limit: 1000 });
  const items = await collect((await broker()).pages('listSessions', { query }));
  await output.show({ items }, () =>
    table(
      ['id', 'workload', 'pod', 'source', 'created', 'ends'],
      items.map((each) => [
        each.id,
        each.workload,
        each.pod?.uid,
        each.source,
        each.createdAt,
        each.endsAt,
      ]),
    ),
  );
}

interface EndOptions extends SessionFilter {
  readonly comment?: string;
  readonly yes?: boolean;
}

/** Ends sessions with their leases; their holders may log in again. */
export async function runSessionEnd(
  context: CliContext,
  { args: [id], options }: Call<EndOptions>,
): Promise<void> {
  const { comment, yes } = options;
  const selection = selectionOf(id, options);
  const what = Object.values(selection).slice(1).join(' ');
  await confirm(
    context,
    `end the sessions of ${selection.by} ${what}`,
    selection.by === 'id' || yes,
  );
  const { body } = await (
    await context.broker()
  ).call('endSessions', {
    body: { ...selection, ...defined({ comment }) },
  });
  if (body.sessions + body.revoked + body.revoking === 0) {
    throw new Failed(`no session matches ${selection.by} ${what}; nothing was ended`);
  }
  await context.output.show(body, () => endedText(body));
  context.output.note(
    'the holders may log in again; "quaymaster quarantine add" keeps a workload or a pod out',
  );
}

type Selection = components['schemas']['SessionSelection'];

function selectionOf(
  id: string | undefined,
  { workload, cluster, pod, source }: EndOptions,
): Selection {
  if (pod !== undefined && cluster === undefined) {
    throw new UsageError('--pod needs the --cluster that the pod runs in');
  }
  const ofCluster = (name: string): Selection =>
    pod === undefined ? { by: 'cluster', cluster: name } : { by: 'pod', cluster: name, pod };
  const given: readonly (Selection | undefined)[] = [
    id === undefined ? undefined : { by: 'id', id },
    workload === undefined ? undefined : { by: 'workload', workload },
    cluster === undefined ? undefined : ofCluster(cluster),
    source === undefined ? undefined : { by: 'source', source },
  ];
  const [selection, more] = given.filter((each) => each !== undefined);
  if (selection === undefined || more !== undefined) {
    throw new UsageError(
      'say which sessions in exactly one way: ID, --workload, --pod with --cluster, --cluster or --source',
    );
  }
  return selection;
}
