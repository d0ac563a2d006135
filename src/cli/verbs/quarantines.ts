import type { components } from '../../client/index.ts';
import { confirm } from '../ask.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { printable } from '../output/printable.ts';
import { table } from '../output/table.ts';
import { UsageError } from '../usage-error.ts';
import { endedText } from './ended-text.ts';

export type Scope =
  | { readonly kind: 'workload'; readonly workload: string }
  | { readonly kind: 'pod'; readonly cluster: string; readonly pod: string }
  | { readonly kind: 'operator'; readonly operator: string };

interface AddOptions {
  readonly workload?: string;
  readonly pod?: string;
  readonly cluster?: string;
  readonly operator?: string;
  readonly reason: string;
  readonly for?: string;
  readonly yes?: boolean;
}

/** Refuses a workload, a pod or an operator everything, until a time or until it is lifted. */
export async function runQuarantineAdd(
  context: CliContext,
  { options }: Call<AddOptions>,
): Promise<void> {
  const { reason, for: duration, yes } = options;
  const scope = scopeOf(options);
  const what = Object.values(scope).join(' ');
  const until = duration === undefined ? 'until it is lifted' : `for ${duration}`;
  await confirm(context, `quarantine ${what} ${until}`, yes);
  const made = await addQuarantine(context, scope, { reason, duration });
  await context.output.show(made, () => addedText(made));
}

export async function addQuarantine(
  { broker }: CliContext,
  scope: Scope,
  { reason, duration }: { readonly reason: string; readonly duration: string | undefined },
): Promise<components['schemas']['CreatedQuarantine']> {
  const body = { ...scope, reason, ...defined({ duration }) };
  return (await (await broker()).call('createQuarantine', { body })).body;
}

export function addedText({
  quarantine,
  ended,
}: components['schemas']['CreatedQuarantine']): string {
  const { id, kind, subject, until } = quarantine;
  const end = until === undefined ? 'until it is lifted' : `until ${until}`;
  const lines = [`quarantined ${kind} ${printable(subject)} ${end}: ${id}`];
  if (kind !== 'operator') lines.push(endedText(ended));
  return lines.join('\n');
}

function scopeOf({ workload, pod, cluster, operator }: AddOptions): Scope {
  if ((pod === undefined) !== (cluster === undefined)) {
    throw new UsageError('a pod is named by --pod and --cluster together');
  }
  const given: readonly (Scope | undefined)[] = [
    workload === undefined ? undefined : { kind: 'workload', workload },
    pod === undefined || cluster === undefined ? undefined : { kind: 'pod', cluster, pod },
    operator === undefined ? undefined : { kind: 'operator', operator },
  ];
  const [scope, more] = given.filter((each) => each !== undefined);
  if (scope === undefined || more !== undefined) {
    throw new UsageError(
      'say what to quarantine in exactly one way: --workload, --pod with --cluster, or --operator',
    );
  }
  return scope;
}

export async function runQuarantineList({ broker, output }: CliContext): Promise<void> {
  const { body } = await (await broker()).call('listQuarantines');
  await output.show(body, () =>
    table(
      ['id', 'kind', 'subject', 'until', 'by', 'reason'],
      body.items.map((each) => [
        each.id,
        each.kind,
        each.subject,
        each.until ?? 'lifted',
        each.createdBy,
        each.reason,
      ]),
    ),
  );
}

export async function runQuarantineLift(
  { broker, output }: CliContext,
  { args: [id = ''], options: { reason } }: Call<{ readonly reason?: string }>,
): Promise<void> {
  const query = reason === undefined ? {} : { reason };
  await (await broker()).call('liftQuarantine', { path: { id }, query });
  await output.say(`lifted ${id}; what was revoked stays revoked`);
}
