import { z } from 'zod';

/** Containers, volumes or mounts in one list: far more than a node runs, and few enough to check at once. */
const MOST_ITEMS = 500;

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

/** Like `z.record` of texts, which takes a microsecond for each: a pod may have thousands of annotations. */
const texts = z.custom<Record<string, string>>(
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every((text) => typeof text === 'string'),
);

const containerSchema = z.looseObject({
  name: z.string(),
  securityContext: z
    .looseObject({ runAsUser: z.int().optional(), runAsGroup: z.int().optional() })
    .optional(),
  volumeMounts: list(z.looseObject({ name: z.string(), mountPath: z.string() })).optional(),
});

/** The parts of a pod that are read or changed here. Everything else passes through unchanged. */
export const podSchema = z.looseObject({
  metadata: z
    .looseObject({
      name: z.string().optional(),
      generateName: z.string().optional(),
      annotations: texts.optional(),
    })
    .optional(),
  spec: z.looseObject({
    containers: list(containerSchema).refine((all) => all.length > 0),
    initContainers: list(containerSchema).optional(),
    volumes: list(z.looseObject({ name: z.string() })).optional(),
    securityContext: z
      .looseObject({
        runAsUser: z.int().optional(),
        runAsGroup: z.int().optional(),
        supplementalGroups: list(z.int()).optional(),
      })
      .optional(),
    nodeSelector: texts.optional(),
    os: z.looseObject({ name: z.string() }).optional(),
    hostNetwork: z.boolean().optional(),
    shareProcessNamespace: z.boolean().optional(),
    restartPolicy: z.string().optional(),
  }),
});

export type Pod = z.infer<typeof podSchema>;
export type PodSpec = Pod['spec'];
export type Container = z.infer<typeof containerSchema>;
