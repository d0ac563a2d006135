import type { components } from '../../client/index.ts';
import { allPages, type Broker } from '../connection/broker.ts';
import { confirm } from '../connection/confirm.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { counted } from '../kernel/count.ts';
import { defined } from '../kernel/defined.ts';
import { UsageError } from '../kernel/errors.ts';
import { printable } from '../output/printable.ts';
import { table } from '../output/table.ts';
import { incidentGroups } from './incident-groups.ts';
import { incidentText, scopeText, type Incident } from './incident-text.ts';
import { instantOf } from '../kernel/time.ts';

type Wish = components['schemas']['IncidentWish'];

/** The most that the API returns in one page. */
const PAGE = 1_000;
const POLL_MS = 1_000;
/** A rotation that waits for a limit may take long, and the broker continues it without this command. */
const MOST_POLLS = 60;

/** Begins the response to an alert. */
export async function runAlertApprove(
  context: CliContext,
  {
    args: [id = ''],
    options: { reason, yes },
  }: Call<{ readonly reason?: string; readonly yes?: boolean }>,
): Promise<void> {
  const broker = await context.broker();
  const { alert, scopes } = await incidentHead(broker, id);
  const what = scopes.map(scopeText).join(', ');
  await confirm(
    context,
    (url) => `Begin the response "${alert?.response.action ?? ''}" for ${what} at ${url}`,
    yes,
  );
  const { body } = await broker.call('approveAlert', { path: { id }, body: defined({ reason }) });
  await context.output.show(
    body,
    () => `approved ${id}; follow it with: quaymaster incident show ${id}`,
  );
}

interface OpenOptions {
  readonly pod?: string;
  readonly workload?: string;
  readonly image?: string;
  readonly node?: string;
  readonly operator?: string;
  readonly token?: string;
  readonly cluster?: string;
  readonly since: string;
  readonly reason: string;
  readonly rotate: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** Opens an incident and waits until its response is complete. */
export async function runIncidentOpen(
  context: CliContext,
  { options }: Call<OpenOptions>,
): Promise<void> {
  const { since, reason, rotate, dryRun = false, yes } = options;
  const broker = await context.broker();
  const asked = {
    ...scopeOf(options),
    since: instantOf('--since', since, context.clock.now()),
    reason,
    rotate,
  } as Wish;
  const { body: preview } = await broker.call('openIncident', { body: { ...asked, dryRun: true } });
  if (dryRun) {
    await context.output.show(preview, () => incidentText(preview));
    return;
  }
  const subjects = preview.scopes.map(scopeText).join(', ');
  const least = preview.isComplete ? '' : 'at least ';
  const rotating = rotate ? ` and rotate ${least}${counted(preview.secrets.length, 'secret')}` : '';
  await confirm(context, (url) => `Quarantine ${subjects}${rotating} at ${url}`, yes);
  const { body: opened } = await broker.call('openIncident', { body: { ...asked, dryRun: false } });
  const id = opened.alert?.id ?? '';
  context.output.note(`opened ${id}: nothing of ${subjects} can read any more`);
  await followIncident(context, opened, id);
  const done = await wholeIncident(broker, id);
  await context.output.show(done, () => incidentText(done));
}

async function followIncident(context: CliContext, opened: Incident, id: string): Promise<void> {
  const broker = await context.broker();
  let { alert } = opened;
  for (let poll = 0; poll < MOST_POLLS && isInProgress(alert); poll += 1) {
    await context.clock.sleep(POLL_MS);
    ({ alert } = await incidentHead(broker, id));
  }
  if (isInProgress(alert)) {
    context.output.note(`the response continues; follow it with: quaymaster incident show ${id}`);
  }
}

function isInProgress(alert: Incident['alert']): boolean {
  return alert?.state === 'responding' || alert?.state === 'contained';
}

/** Fetches the subject of an incident and its state, without the lists. */
async function incidentHead(
  broker: Broker,
  id: string,
): Promise<Pick<Incident, 'alert' | 'scopes'>> {
  return (await broker.call('readIncident', { path: { id }, query: { limit: 1 } })).body;
}

/** An incident with all pages of its lists. */
export async function wholeIncident(broker: Broker, id: string, all?: boolean): Promise<Incident> {
  const read = async (after: string | undefined): Promise<Incident> => {
    const query = { limit: PAGE, ...defined({ after, all }) };
    return (await broker.call('readIncident', { path: { id }, query })).body;
  };
  let { next, ...incident } = await read(undefined);
  while (next !== undefined) {
    const page = await read(next);
    incident = {
      ...incident,
      secrets: [...incident.secrets, ...page.secrets],
      isComplete: incident.isComplete && page.isComplete,
      gaps: page.gaps,
      ...defined({
        posture: page.posture,
        neighbours: page.neighbours,
        checkpoint: page.checkpoint,
      }),
      timeline: [...incident.timeline, ...page.timeline],
    };
    next = page.next;
  }
  return incident;
}

/** Lists the responses, one row for each subject; alerts without a response are in `alert ls`. */
export async function runIncidentLs(context: CliContext): Promise<void> {
  const query = { limit: PAGE };
  const alerts = await allPages(await context.broker(), 'listAlerts', { query });
  const items = incidentGroups(alerts.filter(({ response }) => response.action !== 'audit'));
  const header = ['id', 'first', 'last', 'alerts', 'by', 'why', 'subject', 'action', 'state'];
  const cells = items.map(({ id, first, last, count, by, why, subject, action, states }) => [
    id,
    first,
    last,
    count,
    by,
    why.map(printable),
    printable(subject),
    action,
    states,
  ]);
  await context.output.show({ items }, () => table(header, cells, context.clock.now()));
}

/** Shows an incident, or an alert with its response. */
export async function runIncidentShow(
  { broker, output }: CliContext,
  { args: [id = ''], options: { all } }: Call<{ readonly all?: boolean }>,
): Promise<void> {
  const incident = await wholeIncident(await broker(), id, all);
  await output.show(incident, () => incidentText(incident));
}

function scopeOf({ pod, workload, image, node, operator, token, cluster }: OpenOptions): object {
  const given = [pod, workload, image, node, operator, token].filter((each) => each !== undefined);
  if (given.length !== 1)
    throw new UsageError('give one of --pod, --workload, --image, --node, --operator and --token');
  if (workload !== undefined) return { kind: 'workload', workload };
  if (operator !== undefined) return { kind: 'operator', operator };
  if (token !== undefined) return { kind: 'token', token };
  if (cluster === undefined) throw new UsageError('--pod, --image and --node need --cluster');
  if (image !== undefined) return { kind: 'image', cluster, digest: image };
  if (node !== undefined) return { kind: 'node', cluster, node };
  const [namespace = '', name] = (pod ?? '').split('/');
  return name === undefined
    ? { kind: 'pod', cluster, uid: namespace }
    : { kind: 'pod', cluster, namespace, name };
}
