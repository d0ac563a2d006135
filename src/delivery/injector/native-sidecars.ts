import * as z from 'zod';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { KubernetesApi } from '../../ports/kubernetes-api.ts';

const TIMEOUT_MS = 5_000;
/** Minor version since which native sidecars are on by default (KEP-753). */
const SINCE_MINOR = 29;

const versionSchema = z.looseObject({ major: z.string(), minor: z.string() });

/** Reports whether the cluster's version has native sidecars. @throws BrokerError as the API server answers */
export async function hasNativeSidecars(api: KubernetesApi, clock: Clock): Promise<boolean> {
  const answer = await withDeadline(clock, TIMEOUT_MS, (deadline) =>
    api.call({ method: 'GET', path: ['version'] }, deadline),
  );
  const { major, minor } = versionSchema.parse(answer);
  // Some say `29+`.
  return Number(major) > 1 || Number.parseInt(minor, 10) >= SINCE_MINOR;
}
