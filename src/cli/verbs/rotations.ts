import type { components } from '../../client/index.ts';
import { randomId } from '../../crypto/random/random.ts';
import { callWith } from '../connection/broker.ts';
import type { Call, CliContext, Verb } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { fields, table } from '../output/table.ts';
import { waitUntilFinished } from './wait-for-rotation.ts';

type Rotation = components['schemas']['Rotation'];
type Status = components['schemas']['RotationStatus'];

export async function runRotationStatus(
  { broker, output, clock }: CliContext,
  { args: [path = ''] }: Call<object>,
): Promise<void> {
  const { body } = await (await broker()).call('readRotation', { path: { path } });
  await output.show(body, () => statusText(body, clock.now()));
}

function statusText(status: Status, now: number): string {
  const { active, target, holders } = status;
  const parts = [
    fields(
      [
        ['path', status.path],
        ['strategy', status.strategy],
        ['connection', status.connection],
        ['accounts', status.accounts?.join(', ')],
        ['slots', status.slots],
        ['cannot rotate', status.problem],
        ['next runs', status.nextRuns],
        ['next drill', status.nextDrillAt],
        ['rotated', status.rotatedAt],
        ['proven', status.provenAt],
        ['failures', status.failures],
        ['paused', status.paused],
        ['in progress', active === undefined ? undefined : `${active.kind} ${active.id}`],
        ['state', active === undefined ? undefined : `${active.state}: ${active.step}`],
        ['last error', active?.lastError],
        ['next retry', active && nextRetry(active)],
        ['settles until', active?.settlesUntil],
        ['target', target && targetText(target)],
        ['holders', status.holderCount],
      ],
      now,
    ),
  ];
  if (holders.length > 0) {
    const rows = holders.map((each) => [
      each.workload,
      each.podUid,
      each.versions,
      each.acknowledged === undefined
        ? '-'
        : `${each.acknowledged.version} ${each.acknowledged.outcome}`,
    ]);
    parts.push('', table(['workload', 'pod', 'versions', 'acknowledged'], rows));
  }
  return parts.join('\n');
}

/** Time of the next retry. Only failed steps have one, and a parked rotation is not retried by itself. */
function nextRetry({ state, lastError, nextAttemptAt }: Rotation): string | undefined {
  return state === 'parked' || lastError === undefined ? undefined : nextAttemptAt;
}

interface RotationOptions {
  readonly comment?: string;
  readonly incident?: boolean;
  readonly wait?: boolean;
  readonly idempotencyKey?: string;
}

type Action =
  | 'runRotation'
  | 'drillRotation'
  | 'retryRotation'
  | 'abortRotation'
  | 'rollBackRotation'
  | 'retireRotation';

/** Actions that would start another rotation if the request is sent twice. */
const STARTS: readonly Action[] = ['runRotation', 'drillRotation'];

const UNDOES: readonly Action[] = ['abortRotation', 'rollBackRotation'];

/** Requests an action on the rotation of a path. With `--wait` it waits until the rotation finishes. */
export function rotationVerb(id: Action): Verb<RotationOptions> {
  return async (context, { args: [path = ''], options }) => {
    const { comment, incident, wait, idempotencyKey = randomId('cli') } = options;
    const broker = await context.broker();
    const { body: rotation } = await callWith(broker, id, {
      path: { path },
      body: defined({ comment, incident }),
      ...(STARTS.includes(id) && { headers: { 'Idempotency-Key': idempotencyKey } }),
    });
    if (wait === true) {
      return waitUntilFinished(context, broker, rotation, successStates(id, rotation));
    }
    await context.output.show(rotation, () => rotationText(rotation));
    return undefined;
  };
}

/** A retry continues in the direction that the rotation had. */
function successStates(id: Action, { state }: Rotation): readonly Rotation['state'][] {
  const isUndone = id === 'retryRotation' ? state === 'undoing' : UNDOES.includes(id);
  return isUndone ? ['aborted', 'rolled_back'] : ['done'];
}

function rotationText(rotation: Rotation): string {
  return fields([
    ['id', rotation.id],
    ['path', rotation.path],
    ['kind', rotation.kind],
    ['state', rotation.state],
    ['step', rotation.step],
    ['version', rotation.version],
    ['last error', rotation.lastError],
    ['target', rotation.target && targetText(rotation.target)],
  ]);
}

function targetText({ current, pending }: NonNullable<Rotation['target']>): string {
  return `current ${current}, new ${pending}`;
}
