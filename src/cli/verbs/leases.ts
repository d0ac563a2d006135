import type { components } from '../../client/index.ts';
import { parseWorkloadId } from '../../domain/workload.ts';
import { confirm } from '../ask.ts';
import { collect } from '../collect.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { Failed } from '../failed.ts';
import { fields, table } from '../output/table.ts';
import { UsageError } from '../usage-error.ts';
import { revokedText } from './ended-text.ts';
import { addedText, addQuarantine, type Scope } from './quarantines.ts';

type Lease = components['schemas']['Lease'];

interface LeaseFilter {
  readonly workload?: string;
  readonly pod?: string;
  readonly path?: string;
  readonly mount?: string;
  readonly state?: 'live' | 'ended';
}

export async function runLeaseList(
  { broker, output }: CliContext,
  { options }: Call<LeaseFilter>,
): Promise<void> {
  const { workload, pod, path, mount, state } = options;
  const query = defined({ workload, pod, path, mount, state, limit: 1000 });
  const items = await collect((await broker()).pages('listLeases', { query }));
  await output.show({ items }, () =>
    table(
      ['id', 'workload', 'path', 'version', 'state', 'ends'],
      items.map((each) => [
        each.id,
        each.workload,
        each.path,
        each.version,
        each.cause ?? each.state,
        each.endsAt,
      ]),
    ),
  );
}

export async function runLeaseGet(
  { broker, output }: CliContext,
  { args: [id = ''] }: Call<object>,
): Promise<void> {
  const { body } = await (await broker()).call('readLease', { path: { id } });
  await output.show(body, () => leaseText(body));
}

export async function runLeaseRenew(
  { broker, output }: CliContext,
  { args: [id = ''], options: { ttl } }: Call<{ readonly ttl?: string }>,
): Promise<void> {
  const { body } = await (
    await broker()
  ).call('renewLease', {
    path: { id },
    body: defined({ ttl }),
  });
  await output.show(body, () => leaseText(body));
}

/** A workload gives its own lease back. */
export async function runLeaseRelease(
  { broker, output }: CliContext,
  { args: [id = ''] }: Call<object>,
): Promise<void> {
  await (await broker()).call('releaseLease', { path: { id } });
  await output.say(`released ${id}`);
}

function leaseText(lease: Lease): string {
  return fields([
    ['id', lease.id],
    ['workload', lease.workload],
    ['pod', lease.podUid],
    ['path', lease.path],
    ['version', lease.version],
    ['kind', lease.kind],
    ['state', lease.state],
    ['cause', lease.cause],
    ['issued', lease.issuedAt],
    ['ends', lease.endsAt],
    ['at most until', lease.maxEndsAt],
  ]);
}

interface RevokeOptions extends Omit<LeaseFilter, 'state'> {
  readonly comment?: string;
  readonly quarantine?: string;
  readonly yes?: boolean;
}

/** Ends leases, selected in exactly one way, and revokes what is under them; first keeps the holder out, where that is wanted. */
export async function runLeaseRevoke(
  context: CliContext,
  { args: [id], options }: Call<RevokeOptions>,
): Promise<void> {
  const { comment, quarantine: duration, yes } = options;
  const selection = selectionOf(id, options);
  const { by } = selection;
  const what = `${by} ${Object.values(selection)[1] ?? ''}`;
  const scope = duration === undefined ? undefined : await holderOf(context, selection);
  const also = scope === undefined ? '' : ` and quarantine ${Object.values(scope).join(' ')}`;
  await confirm(
    context,
    `revoke the leases of ${what}${also}`,
    yes === true || (by === 'id' && scope === undefined),
  );
  const reason = comment ?? `leases of ${what} revoked`;
  const made = scope && (await addQuarantine(context, scope, { reason, duration }));
  const { body } = await (
    await context.broker()
  ).call('revokeLeases', {
    body: { ...selection, ...defined({ comment }) },
  });
  if (made !== undefined) {
    const shown = { ...body, quarantine: made.quarantine, ended: made.ended };
    await context.output.show(shown, () => `${addedText(made)}\n${revokedText(body)}`);
    return;
  }
  if (body.revoked + body.revoking === 0) {
    throw new Failed(`no live lease matches ${what}; nothing was revoked`);
  }
  await context.output.show(body, () => revokedText(body));
  context.output.note(
    'this does not stop the workload from logging in again; add --quarantine 1h to keep it out',
  );
}

/** Whom a quarantine keeps out: the pod or workload that was named, or the workload that holds the lease. */
async function holderOf({ broker }: CliContext, selection: Selection): Promise<Scope> {
  if (selection.by === 'workload') return { kind: 'workload', workload: selection.workload };
  if (selection.by === 'id') {
    const { body } = await (await broker()).call('readLease', { path: { id: selection.id } });
    return { kind: 'workload', workload: body.workload };
  }
  if (selection.by !== 'pod') {
    throw new UsageError('--quarantine goes with ID, --workload or --pod');
  }
  const { pod } = selection;
  const { body } = await (await broker()).call('listLeases', { query: { pod, limit: 1 } });
  const cluster = parseWorkloadId(body.items[0]?.workload ?? '')?.cluster;
  if (cluster !== undefined) return { kind: 'pod', cluster, pod };
  throw new UsageError(
    `the pod ${pod} holds no lease, so its cluster is not known; use "quaymaster quarantine add --cluster"`,
  );
}

type Selection = components['schemas']['LeaseRevocation'];

function selectionOf(
  id: string | undefined,
  { path, workload, pod, mount }: RevokeOptions,
): Selection {
  const given: readonly (Selection | undefined)[] = [
    id === undefined ? undefined : { by: 'id', id },
    path === undefined ? undefined : { by: 'path', path },
    workload === undefined ? undefined : { by: 'workload', workload },
    pod === undefined ? undefined : { by: 'pod', pod },
    mount === undefined ? undefined : { by: 'mount', mount },
  ];
  const [selection, more] = given.filter((each) => each !== undefined);
  if (selection === undefined || more !== undefined) {
    throw new UsageError(
      'say which leases in exactly one way: ID, --path, --workload, --pod or --mount',
    );
  }
  return selection;
}

/** What needs somebody comes first. */
const REVOCATION_STATES = ['irrevocable', 'revoking', 'expiring'] as const;

export async function runRevocationList(
  { broker, output }: CliContext,
  { options }: Call<{ readonly state?: (typeof REVOCATION_STATES)[number] }>,
): Promise<void> {
  const caller = await broker();
  const states = options.state === undefined ? REVOCATION_STATES : [options.state];
  const lists = states.map((state) =>
    collect(caller.pages('listRevocations', { query: { state, limit: 1000 } })),
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
    ),
  );
}

export async function runRevocationRetry(
  { broker, output }: CliContext,
  { args: [id = ''] }: Call<object>,
): Promise<void> {
  const { body } = await (await broker()).call('retryRevocation', { path: { id } });
  await output.show(body, () => `${body.credential} is tried again now`);
}
