import type { Moto } from '../backends/moto.ts';
import { OwnSecret } from '../aws/self-rotating-secret.ts';
import { PATIENT } from '../providers/longest-timeout.ts';
import type { Rotating } from './rotating.ts';

/** A secret of AWS that rotates with its own function, which continues by itself once it is started. */
export async function ownRotation(moto: Moto): Promise<Rotating> {
  const secret = await OwnSecret.create(moto);
  secret.makesAtOnce = true;
  secret.advancesAfterRead = true;
  const namePrefix = secret.name.slice(0, -'db'.length);
  return {
    path: 'aws/db',
    connections: { target: { ...secret.connection, limits: PATIENT } },
    mounts: {
      '/mounts/aws': {
        prefix: 'aws',
        connection: 'target',
        options: { namePrefix },
      },
    },
    rotation: {
      connection: 'target',
      strategy: 'own-rotation',
      options: { name: secret.name },
    },
    logsIn: (data) => Promise.resolve(secret.accepts(data)),
    held: () => secret.current(),
    written: () => secret.versions(),
    close: () => secret.close(),
  };
}
