import type { components } from '../../client/index.ts';
import { confirm } from '../connection/confirm.ts';
import { onlyOne } from '../input/only-one.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { countText } from '../connection/count-text.ts';
import { defined } from '../kernel/defined.ts';
import { EXIT, Failed, UsageError } from '../kernel/errors.ts';
import { endedText } from './ended-text.ts';

interface EndOptions {
  readonly workload?: string;
  readonly cluster?: string;
  readonly pod?: string;
  readonly source?: string;
  readonly comment?: string;
  readonly yes?: boolean;
}

/** Ends sessions with their leases. The workloads may log in again. */
export async function runSessionEnd(
  context: CliContext,
  { args: [id], options }: Call<EndOptions>,
): Promise<void> {
  const { comment, yes } = options;
  const selection = sessionSelection(id, options);
  const { by, ...filter } = selection;
  const what = `${by} ${Object.values(filter).join(' ')}`;
  const broker = await context.broker();
  await confirm(
    context,
    async (url) => {
      const names = ['session', 'sessions'] as const;
      return `End ${await countText(broker, 'listSessions', filter, names)} of ${what} at ${url}`;
    },
    by === 'id' || yes,
  );
  const { body } = await broker.call('endSessions', {
    body: { ...selection, ...defined({ comment }) },
  });
  if (body.sessions + body.revoked + body.revoking === 0) {
    throw new Failed(`no session matches ${what}; nothing was ended`, EXIT.notFound);
  }
  await context.output.show(body, () => endedText(body));
  context.output.note(
    'the workloads may log in again; "quaymaster quarantine add" keeps a workload or a pod out',
  );
}

type SessionSelection = components['schemas']['SessionSelection'];

function sessionSelection(
  id: string | undefined,
  { workload, cluster, pod, source }: EndOptions,
): SessionSelection {
  if (pod !== undefined && cluster === undefined) {
    throw new UsageError('--pod needs --cluster, the cluster that the pod runs in');
  }
  const inCluster = (name: string): SessionSelection =>
    pod === undefined ? { by: 'cluster', cluster: name } : { by: 'pod', cluster: name, pod };
  return onlyOne<SessionSelection>(
    'sessions',
    'ID, --workload, --pod with --cluster, --cluster or --source',
    [
      id === undefined ? undefined : { by: 'id', id },
      workload === undefined ? undefined : { by: 'workload', workload },
      cluster === undefined ? undefined : inCluster(cluster),
      source === undefined ? undefined : { by: 'source', source },
    ],
  );
}
