import { z } from 'zod';
import { inject, type InjectionSettings } from './inject.ts';
import { jsonPatch } from './json-patch.ts';
import { podSchema } from './pod.ts';
import type { Problem } from './problems.ts';

const VERSION = 'admission.k8s.io/v1';

/** Members that later versions of Kubernetes add are theirs; the object is looked at only when it is a new pod. */
const reviewSchema = z.looseObject({
  apiVersion: z.literal(VERSION),
  kind: z.literal('AdmissionReview'),
  request: z.looseObject({
    uid: z.string().min(1).max(256),
    operation: z.string(),
    namespace: z.string().optional(),
    subResource: z.string().optional(),
    resource: z.looseObject({ group: z.string(), version: z.string(), resource: z.string() }),
    object: z.unknown(),
  }),
});

export type Outcome = 'injected' | 'unchanged' | 'denied';

/** An AdmissionReview with its response, and what of it is worth a line in the log. */
export interface ReviewAnswer {
  readonly body: object;
  readonly outcome: Outcome;
  readonly namespace: string;
  readonly pod: string;
  readonly problems: readonly Problem[];
}

/** @returns undefined for what is no AdmissionReview of v1, or holds no readable pod where it should. */
export function answerReview(
  document: unknown,
  settings: InjectionSettings,
): ReviewAnswer | undefined {
  const review = reviewSchema.safeParse(document);
  if (!review.success) return undefined;
  const { request } = review.data;
  const about = { uid: request.uid, namespace: request.namespace ?? '' };
  if (!isNewPod(request)) return answer({ ...about, pod: '' }, 'unchanged', {});
  const parsed = podSchema.safeParse(request.object);
  if (!parsed.success) return undefined;
  const pod = parsed.data;
  const named = { ...about, pod: pod.metadata?.name ?? pod.metadata?.generateName ?? '' };
  const injection = inject(pod, settings);
  if (injection.outcome === 'denied') {
    const { problems } = injection;
    return { ...answer(named, 'denied', denial(problems)), problems };
  }
  if (injection.outcome === 'unchanged') {
    const { warning } = injection;
    return answer(named, 'unchanged', warning === undefined ? {} : { warnings: [warning] });
  }
  const patch = JSON.stringify(jsonPatch(pod, injection.pod));
  return answer(named, 'injected', {
    patchType: 'JSONPatch',
    patch: Buffer.from(patch).toString('base64'),
  });
}

type Request = z.infer<typeof reviewSchema>['request'];

function isNewPod({ operation, subResource = '', resource }: Request): boolean {
  const isPod = `${resource.group}/${resource.version}/${resource.resource}` === '/v1/pods';
  return operation === 'CREATE' && subResource === '' && isPod;
}

function answer(
  {
    uid,
    namespace,
    pod,
  }: { readonly uid: string; readonly namespace: string; readonly pod: string },
  outcome: Outcome,
  more: object,
): ReviewAnswer {
  const response = { uid, allowed: outcome !== 'denied', ...more };
  const body = { apiVersion: VERSION, kind: 'AdmissionReview', response };
  return { body, outcome, namespace, pod, problems: [] };
}

function denial(problems: readonly Problem[]): object {
  const message = problems.map(({ place, message: why }) => `${place}: ${why}`).join('; ');
  return { status: { code: 422, reason: 'Invalid', message } };
}
