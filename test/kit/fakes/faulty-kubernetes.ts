import { systemClock } from '../../../src/clock.ts';
import type { ProviderConnection } from '../../../src/ports/secret-provider.ts';
import { kubernetesProviderConnectionSchema } from '../../../src/providers/kubernetes/config.ts';
import { connectKubernetesSecrets } from '../../../src/providers/kubernetes/open.ts';
import type { FakeApiServer } from './fake-api-server.ts';

const BOUNDS = {
  forbiddenNamespaces: ['quaymaster'],
  forbiddenAudiences: ['quaymaster.test'],
};

/** One attempt a call, so that a test sees what one answer does. */
export function connectTo(fake: FakeApiServer, limits: object = {}): Promise<ProviderConnection> {
  const config = kubernetesProviderConnectionSchema.parse({
    ...fake.access,
    limits: { maxRetries: 0, failuresToOpen: 100, ...limits },
    locators: ['**'],
  });
  return connectKubernetesSecrets('kubernetes', config, { clock: systemClock, ...BOUNDS });
}
