import * as z from 'zod';
import { explainPosture as explain } from '../explain-posture.ts';
import { surveyPosture as survey } from '../survey-posture.ts';
import { kubernetesName, objectName } from '../../../api/request/fields.ts';
import { PAGE_QUERY, readPage, pageJson } from '../../../api/request/page-query.ts';
import { parseInput } from '../../../api/request/parse-input.ts';
import { countedEvidenceJson } from './evidence-json.ts';
import type { RouteOf } from '../../../api/request/route.ts';

/** Kubernetes stores no larger object. */
const MANIFEST_BYTES = 1_048_576 * 2;

const place = { cluster: objectName, namespace: kubernetesName };
const question = z.union([
  z.strictObject({ ...place, pod: kubernetesName }),
  z.strictObject({ ...place, manifest: z.looseObject({}) }),
]);

export const explainPosture: RouteOf<'explainPosture'> = {
  body: { maxBytes: MANIFEST_BYTES },
  read: ({ body }) => {
    const asked = parseInput(question, body?.value);
    const { cluster, namespace } = asked;
    const about = 'pod' in asked ? { pod: { cluster, namespace, name: asked.pod } } : { ...asked };
    return async ({ parts, call, caller }) => {
      const found = await explain(parts, call, caller, about);
      const items = found.map(({ pod, isKnown: known, evidence, profiles }) => ({
        pod,
        known,
        evidence: evidence.map(countedEvidenceJson),
        profiles: profiles.map(({ isMet: met, ...profile }) => ({ ...profile, met })),
      }));
      return { status: 200, body: { items } };
    };
  },
};

/** Limit of a profile's size, the same as for a profile that is saved. */
const PROFILE_BYTES = 524_288;
const MOST_SESSIONS = 200;

export const surveyPosture: RouteOf<'surveyPosture'> = {
  query: PAGE_QUERY,
  body: { maxBytes: PROFILE_BYTES },
  read: ({ body, query }) => {
    const { limit, after } = readPage(query);
    const asked = { document: body?.value, page: { limit: Math.min(limit, MOST_SESSIONS), after } };
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: pageJson(
        await survey(parts, call, caller, asked),
        ({ isKnown: known, isMet: met, ...pod }) => ({ ...pod, known, met }),
      ),
    });
  },
};
