import * as z from 'zod';
import { isName, isSecretPath } from '../../domain/words/names.ts';

const name = z.string().refine(isName, 'is not a lower-case name');
const prefix = z.string().refine(isSecretPath, 'must be a path such as kv/payments');
const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

const namespace = z
  .strictObject({
    name: z.string().regex(NAMESPACE, 'must be the name of one namespace, without wildcards'),
    /** Prefixes of the paths that its policies and definitions may name. Its policies speak of its own workloads only. */
    prefixes: z.array(prefix).min(1).max(64).optional(),
    /** True: its policies and definitions may name every path and every workload. This is for the team that runs the platform. */
    unrestricted: z.literal(true).optional(),
  })
  .refine(
    ({ prefixes, unrestricted }) => (prefixes === undefined) !== (unrestricted === undefined),
    {
      message: 'needs either "prefixes" or "unrestricted: true"',
    },
  );

const source = z.strictObject({
  /** The name under which the cluster is registered. */
  cluster: name,
  /** A connection of type `kubernetes`: its API server. */
  connection: z.string().min(1),
  /** Kinds without a namespace that are accepted. An account that may write one in the cluster has the rights of an admin or policy editor. */
  clusterKinds: z.array(z.enum(['Mount', 'PostureProfile', 'ResponseRule'])).default([]),
  /** Namespaces that may write documents; others may write nothing. */
  namespaces: z
    .array(namespace)
    .max(1_000)
    .default([])
    .refine((all) => new Set(all.map(({ name: each }) => each)).size === all.length, {
      message: 'names a namespace twice',
    }),
});

/** Clusters whose custom resources become documents. */
export const clusterDocumentsConfigSchema = z
  .array(source)
  .max(64)
  .default([])
  .refine((all) => new Set(all.map(({ cluster }) => cluster)).size === all.length, {
    message: 'names a cluster twice',
  });

export type ClusterDocumentsConfig = z.output<typeof clusterDocumentsConfigSchema>[number];
