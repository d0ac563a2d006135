import type { OperationId } from '../../api/contract/access.ts';
import { alerts } from './alerts.ts';
import { approvals } from './approvals.ts';
import { copies } from './copies.ts';
import { customResources } from './custom-resources.ts';
import type { Option } from './feature.ts';
import { posture } from './posture.ts';

/** The options of the program: all that there are. */
export const OPTIONS: readonly Option[] = [copies, customResources, approvals, posture, alerts];

/** The operations that a broker with these options does not serve. */
export function absentOperations(options: readonly Option[]): ReadonlySet<OperationId> {
  const served = new Set(options);
  return new Set(OPTIONS.filter((each) => !served.has(each)).flatMap((each) => each.operations));
}
