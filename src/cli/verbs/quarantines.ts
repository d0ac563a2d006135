import type { components } from '../../client/index.ts';
import { confirm } from '../connection/confirm.ts';
import { onlyOne } from '../input/only-one.ts';
import { printable } from '../output/printable.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { UsageError } from '../kernel/errors.ts';
import { endedText } from './ended-text.ts';

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
