import { systemClock } from '../../../src/process/clock.ts';
import { kubernetesProviderConnectionSchema } from '../../../src/providers/kubernetes/config.ts';
import { openKubernetes } from '../../../src/providers/kubernetes/open.ts';
import type { FakeApiServer } from './fake-api-server.ts';
import { closableProvider, type ClosableProvider } from '../providers/closable-provider.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

const BOUNDS = {
  forbiddenNamespaces: ['quaymaster'],
  forbiddenAudiences: ['quaymaster.test'],
};

/** One attempt per call, so that a test sees the effect of one answer. */
export async function connectTo(
  fake: FakeApiServer,
  limits: object = {},
): Promise<ClosableProvider> {
  const config = kubernetesProviderConnectionSchema.parse({
    ...fake.access,
    limits: { ...PATIENT, maxRetries: 0, failuresToOpen: 100, ...limits },
    locators: ['**'],
  });
  return closableProvider(
    await openKubernetes('kubernetes', config, {
      clock: systemClock,
      connection: 'backend',
      ...BOUNDS,
    }),
  );
}
