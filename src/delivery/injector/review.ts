import * as z from 'zod';
import { inject, type InjectionSettings } from './inject.ts';
import { jsonPatch } from './json-patch.ts';
import { parseInSteps } from './parse-json.ts';
import { object, podSchema, type Pod } from './pod.ts';
import { DOMAIN, type Problem, Problems } from './annotations.ts';
import { setImmediate } from 'node:timers/promises';
import { TemplateEngine } from '../files/template-engine.ts';
import { parseTemplate } from '../files/template-renderer.ts';
import type { InjectionRequest } from './injection-request.ts';

const VERSION = 'admission.k8s.io/v1';

/** Later versions of Kubernetes may add members. The object is parsed only if it is a new pod. */
const reviewSchema = object({
  apiVersion: z.literal(VERSION),
  kind: z.literal('AdmissionReview'),
  request: object({
    uid: z.string().min(1).max(256),
    operation: z.string(),
    namespace: z.string().optional(),
    subResource: z.string().optional(),
    resource: object({ group: z.string(), version: z.string(), resource: z.string() }),
    object: z.unknown(),
  }),
});

export type Outcome = 'injected' | 'unchanged' | 'denied';

/** AdmissionReview with its answer, and the facts for the log. */
export interface ReviewAnswer {
  readonly body: object;
  readonly outcome: Outcome;
  readonly namespace: string;
  readonly pod: string;
  readonly problems: readonly Problem[];
}

/** @returns undefined for anything but an AdmissionReview of v1, and for a pod that cannot be parsed. */
export async function answerReview(
  document: unknown,
  settings: InjectionSettings,
): Promise<ReviewAnswer | undefined> {
  const review = reviewSchema.safeParse(document);
  if (!review.success) return undefined;
  const { request } = review.data;
  const about = { uid: request.uid, namespace: request.namespace ?? '' };
  if (!isNewPod(request)) return answer({ ...about, pod: '' }, 'unchanged', {});
  const parsed = podSchema.safeParse(request.object);
  if (!parsed.success) return undefined;
  const pod = parsed.data;
  const named = { ...about, pod: nameOf(pod) };
  const injection = inject(pod, settings);
  if (injection.outcome === 'denied') return denied(named, injection.problems);
  if (injection.outcome === 'unchanged') {
    const { warning } = injection;
    return answer(named, 'unchanged', warning === undefined ? {} : { warnings: [warning] });
  }
  const problems = await templateProblems(injection.request);
  if (problems.length > 0) return denied(named, problems);
  const patch = JSON.stringify(jsonPatch(pod, injection.pod));
  return answer(named, 'injected', {
    patchType: 'JSONPatch',
    patch: Buffer.from(patch).toString('base64'),
  });
}

const WARM_UP_SETTINGS: InjectionSettings = {
  image: 'warm-up',
  broker: { url: 'https://warm-up.invalid', cluster: 'warm-up', audience: 'warm-up' },
  resources: { cpuRequest: '1m', memoryRequest: '1Mi', memoryLimit: '1Mi' },
  hasNativeSidecars: true,
};

/**
 * Answers reviews of made-up pods, one that is injected and one with 8,000 annotations, so that the first real review does not pay for compiling: the
 * first one took three times as long as the next (measured).
 * @returns the outcomes
 */
export async function warmUp(): Promise<readonly (Outcome | undefined)[]> {
  const many = Array.from({ length: 8_000 }, (_, n) => [`${DOMAIN}file-${n}`, 'x'] as const);
  const annotations = {
    [`${DOMAIN}inject`]: 'true',
    [`${DOMAIN}secret-x`]: 'x',
    [`${DOMAIN}template-x`]: '{{ secrets.x.y }}',
  };
  const outcomes: (Outcome | undefined)[] = [];
  for (const all of [annotations, { ...annotations, ...Object.fromEntries(many) }]) {
    const answered = await answerReview(parsed(JSON.stringify(reviewOf(all))), WARM_UP_SETTINGS);
    outcomes.push(answered?.outcome);
  }
  return outcomes;
}

function parsed(text: string): unknown {
  const steps = parseInSteps(text);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  return step.value;
}

function reviewOf(annotations: Readonly<Record<string, string>>): object {
  return {
    apiVersion: VERSION,
    kind: 'AdmissionReview',
    request: {
      uid: 'warm-up',
      operation: 'CREATE',
      resource: { group: '', version: 'v1', resource: 'pods' },
      object: { metadata: { annotations }, spec: { containers: [{ name: 'x' }] } },
    },
  };
}

type Request = z.infer<typeof reviewSchema>['request'];

function isNewPod({ operation, subResource = '', resource }: Request): boolean {
  const isPod = `${resource.group}/${resource.version}/${resource.resource}` === '/v1/pods';
  return operation === 'CREATE' && subResource === '' && isPod;
}

function nameOf({ metadata }: Pod): string {
  return metadata?.name ?? metadata?.generateName ?? '';
}

interface Named {
  readonly uid: string;
  readonly namespace: string;
  readonly pod: string;
}

function denied(named: Named, problems: readonly Problem[]): ReviewAnswer {
  const message = problems.map(({ place, message: why }) => `${place}: ${why}`).join('; ');
  const status = { code: 422, reason: 'Invalid', message };
  return { ...answer(named, 'denied', { status }), problems };
}

function answer({ uid, namespace, pod }: Named, outcome: Outcome, more: object): ReviewAnswer {
  const response = { uid, allowed: outcome !== 'denied', ...more };
  const body = { apiVersion: VERSION, kind: 'AdmissionReview', response };
  return { body, outcome, namespace, pod, problems: [] };
}

/**
 * A longer template is left to the agent, which refuses it at its start. One of this length takes 6 ms at most (measured), and one event loop
 * answers all reviews.
 */
const LONGEST_CHECKED = 8 * 1024;

const engine = new TemplateEngine();

/**
 * Finds templates that do not parse, or use secrets that the pod does not name. Keys of a secret are not checked: the webhook
 * serves callers that it does not know, and an answer that depends on keys would reveal the content of a secret. Each template is
 * parsed in its own turn of the event loop.
 */
export async function templateProblems({
  secrets,
  templates,
}: Pick<InjectionRequest, 'secrets' | 'templates'>): Promise<readonly Problem[]> {
  const problems = new Problems();
  const names = new Set(secrets.map(({ name }) => name));
  for (const { name, text } of templates) {
    if (text.length > LONGEST_CHECKED) continue;
    await setImmediate();
    try {
      parseTemplate(engine, { name, text }, names);
    } catch (error) {
      problems.add(`${DOMAIN}template-${name}`, (error as Error).message);
    }
  }
  return problems.found;
}
