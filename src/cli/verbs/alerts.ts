import type { components } from '../../client/index.ts';
import { allPages } from '../connection/broker.ts';
import { confirm } from '../input/ask.ts';
import type { Call, CliContext } from '../run/context.ts';
import { counted } from '../run/count.ts';
import { defined } from '../run/defined.ts';
import { UsageError } from '../run/errors.ts';
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

/** Begins the response to one alert, or to all that wait. */
export function runApprove(context: CliContext, call: Call<DecideOptions>): Promise<void> {
  const { args, options } = call;
  const [id] = oneOrAll(call);
  return id === undefined
    ? decideAll(context, options, 'approve')
    : runAlertApprove(context, { args, options });
}

/** Ends the waiting of one alert, or of all, without a response. */
export async function runDismiss(context: CliContext, call: Call<DecideOptions>): Promise<void> {
  const [id] = oneOrAll(call);
  if (id === undefined) {
    await decideAll(context, call.options, 'dismiss');
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

function oneOrAll({
  args,
  options: { all = false, source },
}: Call<DecideOptions>): readonly string[] {
  if (all !== (args.length === 0)) throw new UsageError('give the id of an alert, or --all');
  if (source !== undefined && !all) throw new UsageError('--source needs --all');
  return args;
}

/** Shows what waits, asks, and decides one alert after another. Others may decide some of them meanwhile. */
async function decideAll(
  context: CliContext,
  { source, reason, yes }: DecideOptions,
  verb: 'approve' | 'dismiss',
): Promise<void> {
  const broker = await context.broker();
  const query = { limit: PAGE, state: 'pending' } as const;
  const waiting = (await allPages(broker, 'listAlerts', { query })).filter(
    (each) => source === undefined || each.source === source,
  );
  const scopes = waiting.reduce((sum, { suspensions = [] }) => sum + suspensions.length, 0);
  const what = `${counted(waiting.length, 'response')} for ${counted(scopes, 'suspended scope')}`;
  const word = verb === 'approve' ? 'Begin' : 'Dismiss';
  if (waiting.length > 0) {
    context.output.note(planOf(waiting));
    await confirm(context, (url) => `${word} ${what} at ${url}`, yes);
  }
  const operation = verb === 'approve' ? 'approveAlert' : 'dismissAlert';
  const items: Alert[] = [];
  for (const { id } of waiting) {
    const { body } = await broker.call(operation, { path: { id }, body: defined({ reason }) });
    items.push(body);
  }
  const done = verb === 'approve' ? 'began' : 'dismissed';
  await context.output.show({ items }, () =>
    waiting.length === 0 ? 'no response waits' : `${done} ${what}`,
  );
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
