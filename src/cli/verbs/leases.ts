import type { components } from '../../client/index.ts';
import { parseWorkloadId } from '../../domain/identity/workload.ts';
import { confirm } from '../connection/confirm.ts';
import { allPages } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { countText } from '../connection/count-text.ts';
import { defined } from '../kernel/defined.ts';
import { EXIT, Failed, UsageError } from '../kernel/errors.ts';
import { table } from '../output/table.ts';
import { revokedText } from './ended-text.ts';
import { addQuarantine, quarantineText, type Scope } from './quarantines.ts';
import { onlyOne } from '../input/only-one.ts';

interface RevokeOptions {
  readonly workload?: string;
  readonly pod?: string;
  readonly path?: string;
  readonly mount?: string;
  readonly comment?: string;
  readonly quarantine?: string;
  readonly yes?: boolean;
}

/** Revokes leases and their credentials, selected in exactly one way. With `--quarantine` it quarantines the holder first. */
export async function runLeaseRevoke(
  context: CliContext,
  { args: [id], options }: Call<RevokeOptions>,
): Promise<void> {
  const { comment, quarantine: duration, yes } = options;
  const selection = selectionOf(id, options);
  const { by, ...filter } = selection;
  const what = `${by} ${Object.values(filter).join(' ')}`;
  const scope = duration === undefined ? undefined : await findHolder(context, selection);
  const broker = await context.broker();
  await confirm(
    context,
    async (url) => {
      const also = scope === undefined ? '' : ` and quarantine ${Object.values(scope).join(' ')}`;
      if (by === 'id') return `Revoke lease ${what}${also} at ${url}`;
      const names = ['live lease', 'live leases'] as const;
      const live = await countText(broker, 'listLeases', { ...filter, state: 'live' }, names);
      return `Revoke ${live} of ${what}${also} at ${url}`;
    },
    yes === true || (by === 'id' && scope === undefined),
  );
  const reason = comment ?? `leases of ${what} revoked`;
  const quarantined = scope && (await addQuarantine(context, scope, { reason, duration }));
  const { body } = await broker.call('revokeLeases', {
    body: { ...selection, ...defined({ comment }) },
  });
  if (quarantined !== undefined) {
    const { quarantine, ended } = quarantined;
    const shown = { ...body, quarantine, ended };
    await context.output.show(shown, () => `${quarantineText(quarantined)}\n${revokedText(body)}`);
    return;
  }
  if (body.revoked + body.revoking === 0) {
    throw new Failed(`no live lease matches ${what}; nothing was revoked`, EXIT.notFound);
  }
  await context.output.show(body, () => revokedText(body));
  context.output.note(
    'this does not stop the workload from logging in again; add --quarantine 1h to keep it out',
  );
}

/** The subject of the quarantine: the selected pod or workload, or the workload that holds the lease. */
async function findHolder({ broker }: CliContext, selection: Selection): Promise<Scope> {
  if (selection.by === 'workload') return { kind: 'workload', workload: selection.workload };
  if (selection.by === 'id') {
    const { body } = await (await broker()).call('readLease', { path: { id: selection.id } });
    return { kind: 'workload', workload: body.workload };
  }
  if (selection.by !== 'pod') {
    throw new UsageError('--quarantine needs ID, --workload or --pod');
  }
  const { pod } = selection;
  const { body } = await (await broker()).call('listLeases', { query: { pod, limit: 1 } });
  const cluster = parseWorkloadId(body.items[0]?.workload ?? '')?.cluster;
  if (cluster !== undefined) return { kind: 'pod', cluster, pod };
  throw new UsageError(
    `pod ${pod} holds no lease, so its cluster is not known; use "quaymaster quarantine add --cluster"`,
  );
}

type Selection = components['schemas']['LeaseRevocation'];

function selectionOf(
  id: string | undefined,
  { path, workload, pod, mount }: RevokeOptions,
): Selection {
  return onlyOne<Selection>('leases', 'ID, --path, --workload, --pod or --mount', [
    id === undefined ? undefined : { by: 'id', id },
    path === undefined ? undefined : { by: 'path', path },
    workload === undefined ? undefined : { by: 'workload', workload },
    pod === undefined ? undefined : { by: 'pod', pod },
    mount === undefined ? undefined : { by: 'mount', mount },
  ]);
}

/** Credentials that need an operator come first. */
const REVOCATION_STATES = ['irrevocable', 'revoking', 'expiring'] as const;

export async function runRevocationList(
  { broker, output, clock }: CliContext,
  { options }: Call<{ readonly state?: (typeof REVOCATION_STATES)[number] }>,
): Promise<void> {
  const caller = await broker();
  const states = options.state === undefined ? REVOCATION_STATES : [options.state];
  const lists = states.map((state) =>
    allPages(caller, 'listRevocations', { query: { state, limit: 1000 } }),
  );
  const items = (await Promise.all(lists)).flat();
  await output.show({ items }, () =>
    table(
      ['credential', 'path', 'state', 'attempts', 'next', 'last error'],
      items.map((each) => [
        each.credential,
        each.path,
        each.state,
        each.attempts,
        each.nextAttemptAt,
        each.lastError,
      ]),
      clock.now(),
    ),
  );
}
