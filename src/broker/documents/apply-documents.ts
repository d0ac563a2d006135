import { BrokerError } from '../../domain/errors.ts';
import type { Call } from '../access/call.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { applyDocument, type AppliedDocument, type DocumentWrite } from './apply-document.ts';

/** Policies that are decided in one turn of the event loop: about six milliseconds with their commit, in which no read is answered. A sync is a third of it. */
const AT_ONCE = 40;

/**
 * Applies changes in order, each as a change of its own, and stops at the first that fails, because later documents may depend on it. Dry
 * runs are all made. Policies depend on no other policy, so those that follow each other share commits.
 * @returns the results of the changes that were tried
 */
export async function applyDocuments(
  parts: Parameters<typeof applyDocument>[0],
  call: Call,
  live: LiveOperator,
  changes: readonly DocumentWrite[],
): Promise<readonly (AppliedDocument | BrokerError)[]> {
  const results: (AppliedDocument | BrokerError)[] = [];
  for (const slice of slicesOf(changes)) {
    const tried = slice.map((change) =>
      applyDocument(parts, call, live, change).catch((error: unknown) => BrokerError.from(error)),
    );
    const done = await Promise.all(tried);
    results.push(...done);
    const isRefused = slice.some(
      ({ isDryRun = false }, at) => !isDryRun && done[at] instanceof BrokerError,
    );
    if (isRefused) break;
  }
  return results;
}

function slicesOf(changes: readonly DocumentWrite[]): readonly (readonly DocumentWrite[])[] {
  const slices: DocumentWrite[][] = [];
  for (const change of changes) {
    const last = slices.at(-1);
    const isShared =
      change.kind === 'policy' && last?.[0]?.kind === 'policy' && last.length < AT_ONCE;
    if (isShared) last.push(change);
    else slices.push([change]);
  }
  return slices;
}
