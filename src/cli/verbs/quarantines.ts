import type { components } from '../../client/index.ts';
import { confirm } from '../input/ask.ts';
import type { Call, CliContext } from '../run/context.ts';
import { counted, countText } from '../run/count.ts';
import { defined } from '../run/defined.ts';
import { EXIT, Failed, UsageError } from '../run/errors.ts';
import { printable } from '../output/printable.ts';

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

/** The only selection that is given. @throws UsageError for none, and for several */
export function onlyOne<T>(what: string, ways: string, given: readonly (T | undefined)[]): T {
  const [selection, more] = given.filter((each) => each !== undefined);
  if (selection !== undefined && more === undefined) return selection;
  throw new UsageError(`select the ${what} in exactly one way: ${ways}`);
}

export type Scope =
  | { readonly kind: 'workload'; readonly workload: string }
  | { readonly kind: 'pod'; readonly cluster: string; readonly pod: string }
  | { readonly kind: 'operator'; readonly operator: string };

interface QuarantineOptions {
  readonly workload?: string;
  readonly pod?: string;
  readonly cluster?: string;
  readonly operator?: string;
  readonly reason: string;
  readonly for?: string;
  readonly yes?: boolean;
}

/** Refuses every request of a workload, a pod or an operator, for a time or until it is lifted. */
export async function runQuarantineAdd(
  context: CliContext,
  { options }: Call<QuarantineOptions>,
): Promise<void> {
  const { reason, for: duration, yes } = options;
  const scope = scopeOf(options);
  const until = duration === undefined ? 'until it is lifted' : `for ${duration}`;
  await confirm(
    context,
    (url) => `Quarantine ${Object.values(scope).join(' ')} ${until} at ${url}`,
    yes,
  );
  const created = await addQuarantine(context, scope, { reason, duration });
  await context.output.show(created, () => quarantineText(created));
}

export async function addQuarantine(
  { broker }: CliContext,
  scope: Scope,
  { reason, duration }: { readonly reason: string; readonly duration: string | undefined },
): Promise<components['schemas']['CreatedQuarantine']> {
  const body = { ...scope, reason, ...defined({ duration }) };
  return (await (await broker()).call('createQuarantine', { body })).body;
}

export function quarantineText({
  quarantine,
  ended,
}: components['schemas']['CreatedQuarantine']): string {
  const { id, kind, subject, until } = quarantine;
  const end = until === undefined ? 'until it is lifted' : `until ${until}`;
  const lines = [`quarantined ${kind} ${printable(subject)} ${end}: ${id}`];
  if (kind !== 'operator') lines.push(endedText(ended));
  return lines.join('\n');
}

function scopeOf({ workload, pod, cluster, operator }: QuarantineOptions): Scope {
  if ((pod === undefined) !== (cluster === undefined)) {
    throw new UsageError('a pod needs both --pod and --cluster');
  }
  return onlyOne<Scope>('subject', '--workload, --pod with --cluster, or --operator', [
    workload === undefined ? undefined : { kind: 'workload', workload },
    pod === undefined || cluster === undefined ? undefined : { kind: 'pod', cluster, pod },
    operator === undefined ? undefined : { kind: 'operator', operator },
  ]);
}

/** The emergency stop: every replica erases its keys. */
export async function runSeal(
  context: CliContext,
  { options: { reason, yes } }: Call<{ readonly reason: string; readonly yes?: boolean }>,
): Promise<void> {
  await confirm(
    context,
    (url) =>
      `Seal the broker at ${url}, so that every replica refuses every request until it is restarted`,
    yes,
  );
  const { body } = await (await context.broker()).call('seal', { body: { reason } });
  await context.output.show(body, () => 'sealed; restart each replica to unseal it');
}

/** Leases that are revoked, and credentials that a backend still has to revoke. The two are never added up. */
export function revokedText({ revoked, revoking }: components['schemas']['RevokedLeases']): string {
  const done = `revoked ${counted(revoked, 'lease')}`;
  if (revoking === 0) return done;
  const verb = revoking === 1 ? 'is' : 'are';
  return `${done}; ${counted(revoking, 'credential')} ${verb} being revoked at the backend (follow with: quaymaster revocation ls)`;
}

function endedText(ended: components['schemas']['Ended']): string {
  const streams =
    ended.streams === 0 ? '' : `closed ${counted(ended.streams, 'event stream')} of this replica, `;
  return `ended ${counted(ended.sessions, 'session')}, ${streams}${revokedText(ended)}`;
}
