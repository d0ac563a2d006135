import type { components } from '../../ports/openapi/api.ts';
import { allItems, type Source } from './source.ts';

export type Surveyed = components['schemas']['SurveyedPod'];

/** Fetches the findings of a profile at each pod that holds a session. */
export async function surveyPods(source: Source, profile: unknown): Promise<readonly Surveyed[]> {
  const items = await allItems(source, 'surveyPosture', { body: profile, query: { limit: 200 } });
  return [...new Map(items.map((item) => [item.pod.uid, item])).values()];
}
