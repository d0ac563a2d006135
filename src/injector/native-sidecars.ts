import { z } from 'zod';
import type { KubernetesApi } from '../upstream/kubernetes/index.ts';

const TIMEOUT_MS = 5_000;
/** On by default since (KEP-753). */
const SINCE_MINOR = 29;

const versionSchema = z.looseObject({ major: z.string(), minor: z.string() });

/** Whether the cluster's version has native sidecars. @throws BrokerError as the API server answers */
export async function hasNativeSidecars(api: KubernetesApi): Promise<boolean> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const { major, minor } = versionSchema.parse(
    await api.call({ method: 'GET', path: ['version'] }, signal),
  );
  // Some say `29+`.
  return Number(major) > 1 || Number.parseInt(minor, 10) >= SINCE_MINOR;
}
