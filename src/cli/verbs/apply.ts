import { confirm } from '../ask.ts';
import type { Call, CliContext } from '../context.ts';
import { carryOut } from '../documents/carry-out.ts';
import { DOCUMENT_KINDS, kindOf, type DocumentKind, type Word } from '../documents/kinds.ts';
import { toManifests } from '../documents/manifest.ts';
import { planJson, planText } from '../documents/plan-text.ts';
import { planChanges } from '../documents/plan.ts';
import { readDocuments } from '../documents/read-files.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { UsageError } from '../usage-error.ts';

interface ApplyOptions {
  readonly file?: readonly string[];
  readonly prune?: readonly Word[];
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** Makes the broker have what the files say, after showing what would be done. */
export async function runApply(
  context: CliContext,
  { options }: Call<ApplyOptions>,
): Promise<ExitCode> {
  return applyFiles(context, options.file ?? [], { ...options, kinds: DOCUMENT_KINDS });
}

/** As `apply`, of policies only. */
export async function runPolicyApply(
  context: CliContext,
  { args, options }: Call<ApplyOptions>,
): Promise<ExitCode> {
  return applyFiles(context, args, { ...options, kinds: [kindOf('policy')] });
}

/** The plan of `policy apply`, which is not carried out. */
export async function runPolicyDiff(
  context: CliContext,
  { args, options }: Call<ApplyOptions>,
): Promise<ExitCode> {
  return applyFiles(context, args, { ...options, kinds: [kindOf('policy')], dryRun: true });
}

async function applyFiles(
  context: CliContext,
  places: readonly string[],
  options: ApplyOptions & { readonly kinds: readonly DocumentKind[] },
): Promise<ExitCode> {
  const { kinds, prune = [], dryRun = false, yes } = options;
  const manifests = toManifests(await readDocuments(context, places), kinds);
  if (manifests.length === 0) throw new UsageError('the files hold no document');
  const broker = await context.broker();
  const plan = await planChanges(broker, manifests, prune.map(kindOf));
  const { output } = context;
  await output.show(planJson(plan), () => planText(plan));
  if (plan.changes.length === 0) return EXIT.done;
  if (dryRun) return EXIT.changes;
  await confirm(context, `do this at the broker`, yes);
  await carryOut(context, broker, plan);
  return EXIT.done;
}
