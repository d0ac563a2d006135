import type { AwsRole } from './vault-aws-role.ts';
import type { RotationSetup } from './target-fixture.ts';
import { PATIENT } from '../providers/longest-timeout.ts';
import type { Rotating } from './rotating.ts';

/** A credential of the contract suites under a path of the broker. */
export async function rotatingAt(path: string, place: RotationSetup): Promise<Rotating> {
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

/** A static role of an AWS engine whose period is over at each requested rotation. */
export async function followedAt(path: string, place: RotationSetup<AwsRole>): Promise<Rotating> {
  const role = await place.make();
  const rotating = await rotatingAt(path, { ...place, make: () => Promise.resolve(role) });
  return { ...rotating, due: (current) => role.makeNext(current) };
}
