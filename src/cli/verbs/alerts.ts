import { ApiError, type components } from '../../client/index.ts';
import { allPages, type Broker } from '../connection/broker.ts';
import { confirm } from '../connection/confirm.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { counted } from '../kernel/count.ts';
import { defined } from '../kernel/defined.ts';
import { EXIT, Failed, UsageError } from '../kernel/errors.ts';
import { printable } from '../output/printable.ts';
import { table } from '../output/table.ts';
import { runAlertApprove } from './incidents.ts';

type Alert = components['schemas']['Alert'];

interface DecideOptions {
  readonly all?: boolean;
  readonly source?: string;
  readonly reason?: string;
  readonly yes?: boolean;
}

/** The most that the API returns in one page. */
const PAGE = 1_000;

/** Begins the response to alerts that wait: to one, to several or to all. */
export function runApprove(context: CliContext, call: Call<DecideOptions>): Promise<void> {
  const [id = '', ...more] = idsOrAll(call);
  const { options } = call;
  return id !== '' && more.length === 0
    ? runAlertApprove(context, { args: [id], options })
    : decideMany(context, call, 'approve');
}

/** Ends the waiting of alerts without a response: of one, of several or of all. */
export async function runDismiss(context: CliContext, call: Call<DecideOptions>): Promise<void> {
  const [id = '', ...more] = idsOrAll(call);
  if (id === '' || more.length > 0) {
    await decideMany(context, call, 'dismiss');
    return;
  }
  const broker = await context.broker();
  const body = defined({ reason: call.options.reason });
  const answer = await broker.call('dismissAlert', { path: { id }, body });
  await context.output.show(
    answer.body,
    () => `dismissed ${id}; its suspension ended, and nothing else was changed`,
  );
}

function idsOrAll({
  args,
  options: { all = false, source },
}: Call<DecideOptions>): readonly string[] {
  if (all !== (args.length === 0)) throw new UsageError('give the ids of alerts, or --all');
  if (source !== undefined && !all) throw new UsageError('--source needs --all');
  return args;
}

/** Shows what waits, asks, and decides one alert after another. Others may decide some of them meanwhile. */
async function decideMany(
  context: CliContext,
  { args, options: { source, reason, yes } }: Call<DecideOptions>,
  verb: 'approve' | 'dismiss',
): Promise<void> {
  const broker = await context.broker();
  const waiting = await findWaiting(broker, args, source);
  if (waiting.length > 0) {
    context.output.note(planOf(waiting));
    const word = verb === 'approve' ? 'Begin' : 'Dismiss';
    await confirm(context, (url) => `${word} ${whatOf(waiting)} at ${url}`, yes);
  }
  const operation = verb === 'approve' ? 'approveAlert' : 'dismissAlert';
  const decided: Alert[] = [];
  const items: Alert[] = [];
  for (const alert of waiting) {
    const request = { path: { id: alert.id }, body: defined({ reason }) };
    const answer = await broker.call(operation, request).catch(unlessDecided);
    if (answer === undefined) continue;
    decided.push(alert);
    items.push(answer.body);
  }
  const others = waiting.length - decided.length;
  const more = others === 0 ? '' : `; another operator decided ${others} meanwhile`;
  const done = verb === 'approve' ? 'began' : 'dismissed';
  await context.output.show({ items }, () =>
    waiting.length === 0 ? 'no response waits' : `${done} ${whatOf(decided)}${more}`,
  );
}

/** The alerts that wait: those with these ids, or all, of one source if it is named. */
async function findWaiting(
  broker: Broker,
  ids: readonly string[],
  source: string | undefined,
): Promise<readonly Alert[]> {
  const query = { limit: PAGE, state: 'pending' } as const;
  const waiting = await allPages(broker, 'listAlerts', { query });
  if (ids.length === 0)
    return waiting.filter((alert) => source === undefined || alert.source === source);
  const absent = ids.filter((id) => !waiting.some((alert) => alert.id === id));
  if (absent.length > 0)
    throw new Failed(
      `these alerts do not wait for a decision, so none was decided: ${absent.join(', ')}`,
      EXIT.notFound,
    );
  return waiting.filter(({ id }) => ids.includes(id));
}

/** Another operator was faster: the alert does not wait any more. */
function unlessDecided(error: unknown): undefined {
  if (!(error instanceof ApiError) || error.code !== 'ERR_CONFLICT') throw error;
}

function whatOf(alerts: readonly Alert[]): string {
  const scopes = alerts.reduce((sum, { suspensions = [] }) => sum + suspensions.length, 0);
  return `${counted(alerts.length, 'response')} for ${counted(scopes, 'suspended scope')}`;
}

/** Counts what waits by source, rule and action. */
function planOf(waiting: readonly Alert[]): string {
  const groups = Map.groupBy(waiting, ({ source, rule, response: { action, scope } }) =>
    JSON.stringify([source, printable(rule), action, scope]),
  );
  return table(
    ['source', 'rule', 'action', 'scope', 'responses', 'alerts', 'suspended'],
    [...groups].map(([key, group]) => [
      ...(JSON.parse(key) as string[]),
      group.length,
      group.reduce((sum, { count }) => sum + count, 0),
      group.reduce((sum, { suspensions = [] }) => sum + suspensions.length, 0),
    ]),
  );
}
