import * as z from 'zod';
import { DOMAIN, MOST_ANNOTATIONS } from './annotations.ts';

/** The API server only has a mirror of a static pod: its containers run already. */
export const MIRROR = 'kubernetes.io/config.mirror';

/** Items of a list, or fields of an object: far more than a node runs or Kubernetes defines, and few enough to check and copy at once. */
const MOST_ITEMS = 500;

/** Kubernetes accepts no longer name of anything. */
const name = z.string().max(253);

/** An object with these fields and perhaps others. */
export function object<T extends z.core.$ZodLooseShape>(
  shape: T,
): z.ZodPipe<z.ZodCustom<object>, z.ZodObject<T, z.core.$loose>> {
  return z
    .custom<object>((value) => isObject(value) && Object.keys(value).length <= MOST_ITEMS)
    .pipe(z.looseObject(shape));
}

/**
 * The length is checked before the items, and no item after the first invalid one: a review with 10,000 invalid items took 90 ms of the event loop
 * (measured).
 */
function list<T extends z.ZodType>(item: T) {
  return z.custom<readonly z.output<T>[]>(
    (value) =>
      Array.isArray(value) &&
      value.length <= MOST_ITEMS &&
      value.every((one) => item.safeParse(one).success),
  );
}

/** Schema like `z.record` of texts, which takes a microsecond for each. */
const texts = z.custom<Readonly<Record<string, string>>>(
  (value) => isObject(value) && Object.values(value).every((text) => typeof text === 'string'),
);

const annotations = z.unknown().transform((value, context) => {
  const own = ownAnnotations(value);
  if (own !== undefined) return own;
  context.addIssue('must be an object of texts');
  return z.NEVER;
});

const containerSchema = object({
  name,
  securityContext: object({
    runAsUser: z.int().optional(),
    runAsGroup: z.int().optional(),
  }).optional(),
  volumeMounts: list(object({ name, mountPath: z.string().max(4_096) })).optional(),
});

/** The parts of a pod that are read or changed here. Everything else passes through unchanged. */
export const podSchema = object({
  metadata: object({
    name: name.optional(),
    generateName: name.optional(),
    annotations: annotations.optional(),
  }).optional(),
  spec: object({
    containers: list(containerSchema).refine((all) => all.length > 0),
    initContainers: list(containerSchema).optional(),
    volumes: list(object({ name })).optional(),
    securityContext: object({
      runAsUser: z.int().optional(),
      runAsGroup: z.int().optional(),
      supplementalGroups: list(z.int()).optional(),
    }).optional(),
    nodeSelector: texts.optional(),
    os: object({ name }).optional(),
    hostNetwork: z.boolean().optional(),
    shareProcessNamespace: z.boolean().optional(),
    restartPolicy: z.string().optional(),
  }),
});

export type Pod = z.infer<typeof podSchema>;
export type PodSpec = Pod['spec'];
export type Container = z.infer<typeof containerSchema>;

/**
 * Selects the annotations that the injector reads; undefined if one of all is not a text. A pod may have thousands of others, and
 * a hostile one thousands of ours: each further look at all of them took two milliseconds of the event loop for 8,000 (measured).
 * Annotations over the limit are left out, except for one.
 */
function ownAnnotations(value: unknown): Readonly<Record<string, string>> | undefined {
  if (!isObject(value)) return undefined;
  const own: Record<string, string> = {};
  let left = MOST_ANNOTATIONS + 1;
  for (const key of Object.keys(value)) {
    const text = value[key];
    if (typeof text !== 'string') return undefined;
    if (key === MIRROR || key === `${DOMAIN}inject`) own[key] = text;
    else if (left > 0 && key.startsWith(DOMAIN)) {
      own[key] = text;
      left -= 1;
    }
  }
  return own;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
