import type { CheckReport } from '../../ports/secret-provider.ts';
import type { Store } from '../../ports/store.ts';

export function checkEmbedded(store: Store): CheckReport {
  const fault = store.fault();
  if (fault === undefined) return { healthy: true, findings: ['the store accepts commits'] };
  return {
    healthy: false,
    findings: [`the store does not accept commits (${fault}): see its own check`],
  };
}
