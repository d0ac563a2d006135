import type { components } from '../../client/index.ts';
import { confirm } from '../connection/confirm.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { EXIT, UsageError, type ExitCode } from '../kernel/errors.ts';
import { instantOf } from '../kernel/time.ts';
import { fields } from '../output/table.ts';

type Run = components['schemas']['ArchiveRun'];
type Status = components['schemas']['AuditArchive'];
type Archived = NonNullable<components['schemas']['AuditPage']['archived']>;

const PAUSE_MS = 1_000;
/** Polls that may reach brokers which do not know of the run. */
const MOST_MISSES = 30;

interface ArchiveOptions {
  readonly reason: string;
  readonly before?: string;
  readonly keep?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** Starts a run, or joins the one in progress, and polls it until it is finished. @returns 1 if it failed */
export async function runAuditArchive(
  context: CliContext,
  { options }: Call<ArchiveOptions>,
): Promise<ExitCode> {
  const { reason, dryRun = false, yes } = options;
  const before = beforeOf(options, context.clock.now());
  const client = await context.broker();
  const body = { reason, ...defined({ before }) };
  const plan = (await client.call('archiveAudit', { body: { ...body, dryRun: true } })).body;
  const { place } = (await client.call('readArchive')).body;
  if (dryRun || plan.total === 0) {
    await context.output.show(plan, () => planText(plan, place));
    return EXIT.done;
  }
  const what = `Move ${plan.total} entries of the audit log (${plan.first} to ${plan.end - 1}) to ${place ?? ''}, and remove them from the store`;
  await confirm(context, (url) => `${what}, at ${url}`, yes);
  const { body: begun } = await client.call('archiveAudit', { body: { ...body, dryRun: false } });
  const run = await followRun(context, begun);
  await context.output.show(run, () => runText(run, place));
  return run.state === 'failed' ? EXIT.failed : EXIT.done;
}

export async function runArchiveStatus({ broker, output }: CliContext): Promise<ExitCode> {
  const { body } = await (await broker()).call('readArchive');
  await output.show(body, () => statusText(body));
  return EXIT.done;
}

/** Follows a run. Several brokers may answer: only one of them knows of the run. */
async function followRun({ broker, output, clock, signal }: CliContext, begun: Run): Promise<Run> {
  const client = await broker();
  let run = begun;
  let misses = 0;
  while (run.state === 'running' && misses < MOST_MISSES) {
    output.progress(`${run.step}: ${run.done} of ${run.total} entries`);
    await clock.sleep(PAUSE_MS, signal);
    const { body } = await client.call('readArchive');
    const isSame = body.run?.startedAt === begun.startedAt;
    misses = isSame ? 0 : misses + 1;
    if (isSame && body.run !== undefined) ({ run } = { run: body.run });
  }
  output.endProgress();
  return run;
}

/** The end that the options name; undefined if they name none. @throws UsageError if they name two */
export function beforeOf(
  { before, keep }: Pick<ArchiveOptions, 'before' | 'keep'>,
  now: number,
): string | undefined {
  if (before !== undefined && keep !== undefined)
    throw new UsageError('--before and --keep both name the end; use one of them');
  if (keep !== undefined) return instantOf('--keep', keep, now);
  return before === undefined ? undefined : instantOf('--before', before, now);
}

const LIMITS = {
  sink: 'older entries stay, because a sink does not have them yet',
  newest: 'the newest 512 entries always stay',
} as const;

function planText(plan: Run, place: string | undefined): string {
  const limit = plan.limitedBy === undefined ? undefined : LIMITS[plan.limitedBy];
  if (plan.total === 0)
    return `nothing to archive: no 256 entries are older than that${limit === undefined ? '' : ` (${limit})`}`;
  return fields([
    ['would archive', `${plan.total} entries, ${plan.first} to ${plan.end - 1}`],
    ['to', place],
    ['limit', limit],
  ]);
}

function runText(run: Run, place: string | undefined): string {
  if (run.state === 'running')
    return 'the run continues at another broker; follow it with: quaymaster audit archive-status';
  return fields([
    ['archived', run.state === 'done' ? `entries ${run.first} to ${run.end - 1}` : undefined],
    ['to', place],
    ['state', run.state],
    ['step', run.state === 'done' ? undefined : run.step],
    ['error', run.error],
    ['next', run.error === undefined ? undefined : 'repeat the command: it continues'],
  ]);
}

function statusText({ place, keepDays, truncation, run }: Status): string {
  return fields([
    ['archive', place ?? 'not configured: audit.archive'],
    ['keep', keepDays === undefined ? undefined : `${keepDays} days`],
    ['archived', truncation === undefined ? 'nothing' : `entries 0 to ${truncation.end - 1}`],
    [
      'signed',
      truncation && `entry ${truncation.index}, ${truncation.time}, by ${truncation.actor}`,
    ],
    ['run', run && `${run.state}, ${run.step}: ${run.done} of ${run.total} entries`],
    ['error', run?.error],
  ]);
}

/** Says that a search did not read a part of the log. */
export function archivedNote({ first, end, objects, hasMore }: Archived): string {
  return [
    `entries ${first} to ${end - 1} may match too: they are archived, and a search does not read them. Objects, the newest first:`,
    ...objects.map((object) => `  ${object}`),
    ...(hasMore ? ['  and older ones: quaymaster api listArchiveObjects'] : []),
  ].join('\n');
}
