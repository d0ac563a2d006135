import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import { Sensitive } from '../../../src/domain/secrets/sensitive.ts';
import type { DeliveredSecret } from '../../../src/delivery/files/delivered-secret.ts';

/** A secret as the agent holds it. */
export function heldSecret(name: string, data: SecretData, version = '1'): DeliveredSecret {
  return {
    name,
    path: `payments/${name}`,
    version,
    data: new Sensitive(data),
    leaseId: undefined,
    endsAt: undefined,
    stale: false,
  };
}

export function heldSecrets(
  all: Readonly<Record<string, SecretData>>,
): ReadonlyMap<string, DeliveredSecret> {
  return new Map(Object.entries(all).map(([name, data]) => [name, heldSecret(name, data)]));
}
