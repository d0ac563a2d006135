import { confirm } from '../connection/confirm.ts';
import type { Broker } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { counted } from '../kernel/count.ts';
import { applyPlan, checkPlan } from '../documents/apply-plan.ts';
import {
  DOCUMENT_KINDS,
  kindOf,
  POLICY,
  type DocumentKind,
  type DocumentWord,
} from '../documents/kinds.ts';
import { NOT_VALID, readManifests, type Manifest } from '../documents/manifest.ts';
import { planJson, planText } from '../documents/plan-text.ts';
import { planChanges } from '../documents/plan.ts';
import { absentReferences, policyOf } from '../documents/policy-references.ts';
import { readLocated } from '../documents/read-files.ts';
import { EXIT, UsageError, type ExitCode, type FileProblem } from '../kernel/errors.ts';

interface ApplyOptions {
  readonly file?: readonly string[];
  readonly prune?: readonly DocumentWord[];
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** Applies files, after it has shown the plan. */
export async function runApply(
  context: CliContext,
  { options }: Call<ApplyOptions>,
): Promise<ExitCode> {
  return applyFiles(context, options.file ?? [], { ...options, kinds: DOCUMENT_KINDS });
}

/** Applies like `apply`, for policies only. */
export async function runPolicyApply(
  context: CliContext,
  { args, options }: Call<ApplyOptions>,
): Promise<ExitCode> {
  return applyFiles(context, args, { ...options, kinds: [POLICY] });
}

async function applyFiles(
  context: CliContext,
  places: readonly string[],
  options: ApplyOptions & { readonly kinds: readonly DocumentKind[] },
): Promise<ExitCode> {
  const { kinds, prune = [], dryRun = false, yes } = options;
  const files = await readLocated(context, places);
  const { manifests, problems: ofDocuments } = readManifests(files.documents, kinds);
  const problems = [...files.problems, ...ofDocuments];
  if (problems.length > 0) {
    const others = await problemsAtBroker(context, manifests);
    throw new UsageError(NOT_VALID, [...problems, ...others]);
  }
  if (manifests.length === 0) throw new UsageError('the files contain no document');
  const broker = await context.broker();
  const plan = await planChanges(broker, manifests, prune.map(kindOf));
  const absent = await absentNames(broker, manifests);
  const { output } = context;
  const warn = (): void => {
    for (const line of absent) output.note(`warning: ${line}`);
  };
  try {
    await checkPlan(context, broker, plan);
  } catch (error) {
    warn();
    throw error;
  }
  await output.show(planJson(plan), () => planText(plan));
  warn();
  if (plan.changes.length === 0) return EXIT.done;
  if (dryRun) return EXIT.changes;
  const { length } = plan.changes;
  const changes = length === 1 ? 'this change' : `these ${counted(length, 'change')}`;
  await confirm(context, (url) => `Apply ${changes} to ${url}`, yes);
  await applyPlan(context, broker, plan);
  return EXIT.done;
}

function absentNames(broker: Broker, manifests: readonly Manifest[]): Promise<readonly string[]> {
  const policies = manifests.filter(({ kind }) => kind === POLICY);
  return absentReferences(broker, policies.map(policyOf), manifests);
}

/** Problems that the broker finds in the valid documents, so that one run lists all. Without a broker there are none. */
async function problemsAtBroker(
  context: CliContext,
  manifests: readonly Manifest[],
): Promise<readonly FileProblem[]> {
  try {
    const broker = await context.broker();
    for (const line of await absentNames(broker, manifests)) {
      context.output.note(`warning: ${line}`);
    }
    await checkPlan(context, broker, await planChanges(broker, manifests, []));
    return [];
  } catch (error) {
    return error instanceof UsageError ? error.problems : [];
  }
}
