import { ApiError } from '../../client/index.ts';
import type { PolicyGrant } from '../../domain/policy/index.ts';
import { sourceOf } from '../connection/source.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { counted } from '../kernel/count.ts';
import { checkPlan } from '../documents/apply-plan.ts';
import { kindOf, POLICY, type DocumentWord } from '../documents/kinds.ts';
import { toManifests } from '../documents/manifest.ts';
import { planJson, planText } from '../documents/plan-text.ts';
import { planChanges, type DocumentPlan } from '../documents/plan.ts';
import { absentReferences, policyOf } from '../documents/policy-references.ts';
import { readDocuments } from '../documents/read-files.ts';
import { EXIT, Failed, UsageError, type ExitCode } from '../kernel/errors.ts';
import { table } from '../output/table.ts';
import { accessChanges, changeOf } from '../reports/access-changes.ts';
import {
  grantKey,
  readReplay,
  type ComparedRequest,
  type Comparison,
  type Draft,
  type Period,
  type Replayed,
  type ReplayQuestion,
  type UsedGrant,
} from '../reports/replay.ts';
import { unusedGrants } from '../reports/unused-grants.ts';
import { periodOf } from '../kernel/time.ts';
import { accessJson, accessText, coverage } from './access-text.ts';

interface DraftOptions {
  readonly prune?: readonly DocumentWord[];
  readonly since: string;
}

/** Shows how policy files differ from the broker's policies, and for whom this changes something. @returns 2 if they differ */
export async function runPolicyDiff(
  context: CliContext,
  { args, options }: Call<DraftOptions>,
): Promise<ExitCode> {
  const period = periodSince(context, options.since);
  const { plan, warnings } = await planDraft(context, args, options);
  const { output } = context;
  if (plan.changes.length === 0) {
    await output.show(planJson(plan), () => planText(plan));
    return EXIT.done;
  }
  const comparison = 'draft';
  const replayed = await replayIfAllowed(context, draftOf(plan), { period, comparison });
  if (replayed === undefined) await output.show(planJson(plan), () => planText(plan));
  else {
    const changes = accessChanges(replayed);
    await output.show({ ...planJson(plan), access: accessJson(changes, replayed, period) }, () =>
      [planText(plan), '', accessText(changes, replayed, { period, comparison })].join('\n'),
    );
  }
  for (const line of warnings) output.note(`warning: ${line}`);
  return EXIT.changes;
}

/** Decides the requests of the log by the policies with the files. @returns 2 if a request that was allowed would be denied */
export async function runPolicyReplay(
  context: CliContext,
  { args, options }: Call<DraftOptions>,
): Promise<ExitCode> {
  const period = periodSince(context, options.since);
  const { plan } = await planDraft(context, args, options);
  const comparison = 'log';
  const replayed = await replay(context, { draft: draftOf(plan), period, comparison });
  const changes = accessChanges(replayed);
  await context.output.show(
    { requests: replayed.requests.map(withChange), ...accessJson(changes, replayed, period) },
    () => accessText(changes, replayed, { period, comparison }),
  );
  return changes.loses.length === 0 ? EXIT.done : EXIT.changes;
}

function withChange(request: ComparedRequest): object {
  return { ...request, change: changeOf(request) };
}

async function planDraft(
  context: CliContext,
  places: readonly string[],
  { prune = [] }: DraftOptions,
): Promise<{ readonly plan: DocumentPlan; readonly warnings: readonly string[] }> {
  const manifests = toManifests(await readDocuments(context, places), [POLICY]);
  if (manifests.length === 0) throw new UsageError('the files contain no document');
  const broker = await context.broker();
  const plan = await planChanges(broker, manifests, prune.map(kindOf));
  await checkPlan(context, broker, plan);
  const warnings = await absentReferences(broker, manifests.map(policyOf), manifests);
  return { plan, warnings };
}

/** Limit of the broker for policies in one draft. */
const MOST_POLICIES = 2_000;
const MOST_BYTES = 1_000_000;

/** Builds a draft of the changed policies only: the broker has all others. @throws Failed if that is too much for one request */
function draftOf({ changes }: DocumentPlan): Draft {
  const policies = changes.flatMap((each) =>
    each.action === 'delete' ? [] : [JSON.stringify(each.manifest.body)],
  );
  const remove = changes.flatMap((each) => (each.action === 'delete' ? [each.name] : []));
  const bytes = Buffer.byteLength(JSON.stringify(policies));
  if (policies.length > MOST_POLICIES || bytes > MOST_BYTES) {
    throw new Failed(
      `the files change ${counted(policies.length, 'policy', 'policies')} (${bytes} bytes); a replay takes ${MOST_POLICIES} policies and ${MOST_BYTES} bytes: give fewer files`,
    );
  }
  return { policies, remove };
}

/** Replays requests if the caller may. Without the role auditor, an editor still sees how the documents differ. */
async function replayIfAllowed(
  context: CliContext,
  draft: Draft,
  question: { readonly period: Period; readonly comparison: Comparison },
): Promise<Replayed | undefined> {
  try {
    return await replay(context, { draft, ...question });
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'ERR_DENIED') throw error;
    context.output.note(
      'who gains and who loses is not shown: this also needs the role auditor without a scope',
    );
    return undefined;
  }
}

const MOST_REQUESTS = 200_000;

/** Replays the log and shows how far it is. @throws Failed if there are too many different requests */
export async function replay(
  context: CliContext,
  { isEnough = () => false, ...question }: ReplayQuestion,
): Promise<Replayed> {
  const { output } = context;
  const replayed = await readReplay(sourceOf(await context.broker(), output), {
    ...question,
    isEnough: (sofar) => {
      if (sofar.requests.length <= MOST_REQUESTS) return isEnough(sofar);
      throw new Failed(
        `the log has more than ${MOST_REQUESTS} different requests since ${question.period.from}; use a shorter --since`,
      );
    },
  });
  output.endProgress();
  return replayed;
}

export function periodSince({ clock }: CliContext, since: string): { readonly from: string } {
  const { from = '' } = periodOf({ since }, clock.now());
  if (Date.parse(from) <= clock.now()) return { from };
  throw new UsageError(`--since ${since}: is in the future`);
}

interface UnusedOptions {
  readonly since: string;
}

/** Lists the grants that no request used since then. */
export async function runPolicyUnused(
  context: CliContext,
  { options }: Call<UnusedOptions>,
): Promise<void> {
  const period = periodSince(context, options.since);
  const source = sourceOf(await context.broker(), context.output);
  const { grants, unused, replayed } = await unusedGrants(source, period);
  context.output.endProgress();
  const earlier = unused.length === 0 ? undefined : await earlierUses(context, unused, period);
  const items = unused.map((grant) => {
    const last = earlier?.get(grantKey(grant))?.last;
    return { ...grant, ...(last !== undefined && { lastUsed: last }) };
  });
  const { entries, skipped, knownSince } = replayed;
  const skippedList = [...skipped].map(([reason, count]) => ({ reason, count }));
  const body = {
    items,
    grants,
    skipped: skippedList,
    log: { ...period, entries, knownSince },
  };
  await context.output.show(body, () =>
    [
      ...(items.length === 0
        ? []
        : [
            table(
              ['policy', 'rule', 'path', 'policy changed', 'last used'],
              items.map(({ policy, rule, path, changedAt, lastUsed }) => [
                policy,
                rule,
                path,
                changedAt,
                lastUsed ?? 'not in the log',
              ]),
            ),
          ]),
      `${items.length} of ${counted(grants, 'grant')} not used`,
      coverage(replayed, period),
    ].join('\n'),
  );
}

/** The log before the period is read until every grant was found, or to its beginning. */
async function earlierUses(
  context: CliContext,
  unused: readonly PolicyGrant[],
  { from }: Period,
): Promise<ReadonlyMap<string, UsedGrant>> {
  const period = { from: new Date(0).toISOString(), to: from };
  const isEnough = ({ grants }: Replayed): boolean =>
    unused.every((grant) => grants.has(grantKey(grant)));
  return (await replay(context, { period, isEnough })).grants;
}
