import { confirm } from '../connection/confirm.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { counted } from '../kernel/count.ts';
import { applyPlan } from '../documents/apply-plan.ts';
import { planJson, planText } from '../documents/plan-text.ts';
import { planHeldDeletions } from '../documents/plan.ts';
import { EXIT, type ExitCode } from '../kernel/errors.ts';

interface PruneOptions {
  readonly cluster?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

/** Deletes the documents that the broker keeps although their custom resources are gone. A document whose resource returns meanwhile stays. */
export async function runCustomResourcePrune(
  context: CliContext,
  { options: { cluster, dryRun = false, yes } }: Call<PruneOptions>,
): Promise<ExitCode> {
  const broker = await context.broker();
  const plan = await planHeldDeletions(broker, cluster);
  await context.output.show(planJson(plan), () => planText(plan));
  const { length } = plan.changes;
  if (length === 0) return EXIT.done;
  if (dryRun) return EXIT.changes;
  await confirm(context, (url) => `Delete ${counted(length, 'document')} at ${url}`, yes);
  await applyPlan(context, broker, plan);
  return EXIT.done;
}
