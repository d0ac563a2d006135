import type { Option } from '../feature.ts';
import { attestationFollower, Attestations } from './attestation-memory.ts';
import { AttestationReader } from './attestation-reader.ts';
import type { Attesting } from './attestations.ts';
import * as attestationRoutes from './routes.ts';

declare module '../../api/request/request-deps.ts' {
  interface ServedParts extends Omit<Attesting, 'profiles'> {}
}

const routes = { ...attestationRoutes };

/** Signatures and attestations of images. Posture profiles decide which of them count. */
export const attestations = {
  routes,
  open({ store, rows, clock, tasks }) {
    const attestationReader = new AttestationReader(clock, tasks);
    const memory = new Attestations(store, rows, attestationReader);
    return {
      parts: { attestations: memory, attestationReader },
      followers: [attestationFollower(memory)],
      stop: () => attestationReader.close(),
    };
  },
} satisfies Option;
