import type { SecretData } from '../domain/secret.ts';
import type { CallContext } from '../ports/call-context.ts';
import type { Parts } from '../broker/parts.ts';
import { currentValue, rotatingPlace, type RotatingPlace } from './rotation-place.ts';
import { openedValue, type RotationRow } from './rotation-row.ts';

/** Whether the target accepts a value now: `absent` where there is none, `unknown` where it could not be asked. */
type Probe = 'accepted' | 'refused' | 'absent' | 'unknown';

/** What the target has: which of the stored values works there. */
export interface TargetState {
  readonly current: Probe;
  readonly pending: Probe;
}

/** Asks the target of a parked rotation, whose values nobody changes meanwhile. */
export async function probeTarget(
  parts: Parts,
  row: RotationRow,
  context: CallContext,
): Promise<TargetState> {
  const ask = async (
    find: (place: RotatingPlace) => Promise<SecretData | undefined>,
  ): Promise<Probe> => {
    try {
      const place = rotatingPlace(parts, row.path, row);
      const data = await find(place);
      if (data === undefined) return 'absent';
      return (await place.target.test(data, context)).accepted ? 'accepted' : 'refused';
    } catch (error) {
      parts.log.warn({ err: error, rotation: row.id }, 'a parked rotation could not be looked at');
      return 'unknown';
    }
  };
  return {
    current: await ask(async (place) => (await currentValue(place, context))?.data),
    pending: await ask(() => Promise.resolve(openedValue(parts, row, 'pending'))),
  };
}
