import type { RotatingPlace } from '../../../contract/rotating-place.ts';
import { PATIENT, type Rotating } from './rotating.ts';

/** A credential of the contract suites under a path of the broker's own. */
export async function rotatingAt(path: string, place: RotatingPlace): Promise<Rotating> {
  const { connection, strategy, options } = place;
  const { current, logsIn, close } = await place.make();
  return {
    path,
    connections: { target: { ...connection, limits: PATIENT } },
    first: current,
    rotation: { connection: 'target', strategy, options },
    logsIn: (data) => logsIn(data),
    close: () => close(),
  };
}
