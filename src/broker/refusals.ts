import type { BrokerError } from '../domain/errors.ts';
import type { Call } from './call.ts';
import type { Parts } from './parts.ts';
import { entryOfStranger } from './record.ts';

/** Records a refusal of somebody unknown: as an entry of its own, or counted into the summary of its address when there are many. */
export async function recordRefusal(parts: Parts, call: Call, entry: () => string): Promise<void> {
  if (!parts.refusals.admit(call.address)) return;
  await parts.store.commit({ entries: [entry()] });
}

/** A request that did not get as far as a use case: no valid token, malformed, unknown route, too many. */
export async function refuseRequest(parts: Parts, call: Call, error: BrokerError): Promise<void> {
  await recordRefusal(parts, call, () =>
    entryOfStranger(parts, call, {
      action: 'request.refused',
      outcome: error.kind === 'internal' ? 'error' : 'deny',
      code: error.code,
      reason: error.reason,
    }),
  );
}
