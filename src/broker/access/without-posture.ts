import { PostureRefused } from '../../domain/posture/refusal.ts';
import type { Fitness } from '../state/fitness.ts';
import type { Catalog } from '../state/catalog.ts';

/** The fitness of a broker without posture. It refuses every pod while a profile is enforced, because it cannot judge by it. */
export function withoutPosture(catalog: Pick<Catalog, 'all'>): Fitness {
  return {
    judge: () => {
      const enforced = catalog.all('posture-profile').find(({ spec }) => spec.mode === 'enforce');
      if (enforced === undefined) return {};
      return { refusal: new PostureRefused(`${enforced.name}: not_judged`, true) };
    },
    digestsOfImages: (digests) => new Set(digests),
  };
}
