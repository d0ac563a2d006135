import type { components } from '../../client/index.ts';
import { randomId } from '../../crypto/random.ts';
import { callLoosely } from '../broker.ts';
import { collect } from '../collect.ts';
import type { Call, CliContext, Verb } from '../context.ts';
import { defined } from '../defined.ts';
import { fields, table } from '../output/table.ts';
import { waitForEnd } from './wait-for-rotation.ts';

type Rotation = components['schemas']['Rotation'];
type Status = components['schemas']['RotationStatus'];

interface ListOptions {
  readonly overdue?: boolean;
  readonly neverProven?: boolean;
  readonly state?: 'running' | 'parked' | 'undoing';
  readonly dueBefore?: string;
}

export async function runRotationList(
  { broker, output }: CliContext,
  { options }: Call<ListOptions>,
): Promise<void> {
  const { overdue, neverProven, state, dueBefore } = options;
  const query = defined({ overdue, neverProven, state, dueBefore, limit: 1000 });
  const items = await collect((await broker()).pages('listRotations', { query }));
  await output.show({ items }, () =>
    table(
      ['path', 'next run', 'rotated', 'proven', 'failures', 'under way'],
      items.map((each) => [
        each.path,
        each.nextRunAt,
        each.rotatedAt,
        each.provenAt,
        each.failures,
        each.active === undefined ? '-' : `${each.active.state}: ${each.active.step}`,
      ]),
    ),
  );
}

export async function runRotationStatus(
  { broker, output }: CliContext,
  { args: [path = ''] }: Call<object>,
): Promise<void> {
  const { body } = await (await broker()).call('readRotation', { path: { path } });
  await output.show(body, () => statusText(body));
}

function statusText(status: Status): string {
  const { active, target, holders } = status;
  const parts = [
    fields([
      ['path', status.path],
      ['strategy', status.strategy],
      ['connection', status.connection],
      ['slots', status.slots],
      ['cannot rotate', status.problem],
      ['next runs', status.nextRuns],
      ['next drill', status.nextDrillAt],
      ['rotated', status.rotatedAt],
      ['proven', status.provenAt],
      ['failures', status.failures],
      ['paused', status.paused],
      ['under way', active === undefined ? undefined : `${active.kind} ${active.id}`],
      ['state', active === undefined ? undefined : `${active.state}: ${active.step}`],
      ['last error', active?.lastError],
      ['tried again', active && nextTry(active)],
      ['settles until', active?.settlesUntil],
      ['target', target && targetText(target)],
      ['holders', status.holderCount],
    ]),
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

/** What is parked waits for somebody, and what did not fail for no time to come. */
function nextTry({ state, lastError, nextAttemptAt }: Rotation): string | undefined {
  return state === 'parked' || lastError === undefined ? undefined : nextAttemptAt;
}

export async function runRotationHistory(
  { broker, output }: CliContext,
  { args: [path = ''] }: Call<object>,
): Promise<void> {
  const pages = (await broker()).pages('readRotationHistory', { path: { path } });
  const items = await collect(pages);
  await output.show({ items }, () =>
    table(
      ['id', 'kind', 'cause', 'state', 'step', 'by', 'began', 'ended', 'last error'],
      items.map((each) => [
        each.id,
        each.kind,
        each.cause,
        each.state,
        each.step,
        each.requestedBy,
        each.createdAt,
        each.endedAt,
        each.lastError,
      ]),
    ),
  );
}

interface AskOptions {
  readonly comment?: string;
  readonly incident?: boolean;
  readonly wait?: boolean;
  readonly idempotencyKey?: string;
}

type Asked =
  | 'runRotation'
  | 'drillRotation'
  | 'retryRotation'
  | 'abortRotation'
  | 'rollBackRotation'
  | 'retireRotation';

/** What would begin another one when it is asked for twice. */
const BEGINNINGS: readonly Asked[] = ['runRotation', 'drillRotation'];

const UNDOINGS: readonly Asked[] = ['abortRotation', 'rollBackRotation'];

/** Asks for something to be done with the rotation of a path; with `--wait` goes along to its end. */
export function askRotation(id: Asked): Verb<AskOptions> {
  return async (context, { args: [path = ''], options }) => {
    const { comment, incident, wait, idempotencyKey = randomId('cli') } = options;
    const broker = await context.broker();
    const input = {
      path: { path },
      body: defined({ comment, incident }),
      ...(BEGINNINGS.includes(id) && { headers: { 'Idempotency-Key': idempotencyKey } }),
    };
    const rotation = (await callLoosely(broker, id, input)).body as Rotation;
    if (wait === true) return waitForEnd(context, broker, rotation, wantedEnd(id, rotation));
    await context.output.show(rotation, () => rotationText(rotation));
    return undefined;
  };
}

/** What is tried again goes on in the direction that it had. */
function wantedEnd(id: Asked, { state }: Rotation): readonly Rotation['state'][] {
  const isUndone = id === 'retryRotation' ? state === 'undoing' : UNDOINGS.includes(id);
  return isUndone ? ['aborted', 'rolled_back'] : ['done'];
}

export function rotationText(rotation: Rotation): string {
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
