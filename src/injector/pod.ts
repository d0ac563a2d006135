import { z } from 'zod';

const containerSchema = z.looseObject({
  name: z.string(),
  securityContext: z
    .looseObject({ runAsUser: z.int().optional(), runAsGroup: z.int().optional() })
    .optional(),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).optional(),
});

/** Of a pod, what is looked at or changed here; everything else passes through as it came. */
export const podSchema = z.looseObject({
  metadata: z
    .looseObject({
      name: z.string().optional(),
      generateName: z.string().optional(),
      annotations: z.record(z.string(), z.string()).optional(),
    })
    .optional(),
  spec: z.looseObject({
    containers: z.array(containerSchema).min(1),
    initContainers: z.array(containerSchema).optional(),
    volumes: z.array(z.looseObject({ name: z.string() })).optional(),
    securityContext: z
      .looseObject({
        runAsUser: z.int().optional(),
        runAsGroup: z.int().optional(),
        supplementalGroups: z.array(z.int()).optional(),
      })
      .optional(),
    nodeSelector: z.record(z.string(), z.string()).optional(),
    os: z.looseObject({ name: z.string() }).optional(),
    hostNetwork: z.boolean().optional(),
    shareProcessNamespace: z.boolean().optional(),
    restartPolicy: z.string().optional(),
  }),
});

export type Pod = z.infer<typeof podSchema>;
export type PodSpec = Pod['spec'];
export type Container = z.infer<typeof containerSchema>;
