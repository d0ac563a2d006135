import { ApiError, type PagedId } from '../../client/index.ts';
import { isUnder } from '../../domain/words/names.ts';
import { parsePolicy, type AccessPolicy } from '../../domain/policy/index.ts';
import { allPages, type Broker } from '../connection/broker.ts';
import type { Manifest } from './manifest.ts';

type Policies = readonly Pick<AccessPolicy, 'metadata' | 'spec'>[];

/** The policy of a document that was validated. */
export function policyOf({ body }: Pick<Manifest, 'body'>): AccessPolicy {
  return parsePolicy(body);
}

interface Known {
  /** Names of clusters; undefined: the caller may not list them. */
  readonly clusters: readonly string[] | undefined;
  /** Prefixes of mounts. */
  readonly prefixes: readonly string[] | undefined;
}

/**
 * A line for each cluster and each path of the policies that does not exist. They are only reported, because policies may come before clusters and
 * mounts; but a misspelled name would otherwise never match anything. Documents of the same files count as existing.
 */
export async function absentReferences(
  broker: Broker,
  policies: Policies,
  manifests: readonly Manifest[] = [],
): Promise<readonly string[]> {
  if (policies.length === 0) return [];
  const planned = (word: string): readonly Manifest[] =>
    manifests.filter(({ kind }) => kind.word === word);
  const [clusters, mounts] = await Promise.all([
    listUnlessDenied(broker, 'listClusters'),
    listUnlessDenied(broker, 'listMounts'),
  ]);
  const prefixOf = (body: unknown): string => (body as { readonly prefix?: string }).prefix ?? '';
  return absent(policies, {
    clusters: clusters && [...clusters, ...planned('cluster')].map(({ name }) => name),
    prefixes: mounts && [
      ...mounts.map(({ document }) => prefixOf(document)),
      ...planned('mount').map(({ body }) => prefixOf(body)),
    ],
  });
}

function absent(policies: Policies, { clusters, prefixes }: Known): readonly string[] {
  return policies.flatMap(({ metadata: { name }, spec }) => {
    const named = new Set(spec.subjects.flatMap((subject) => subject.clusters));
    const patterns = new Set(spec.rules.flatMap(({ paths }) => paths));
    return [
      ...[...named].flatMap((cluster) =>
        clusters === undefined || clusters.includes(cluster)
          ? []
          : [
              `policy "${name}": no cluster "${cluster}" is registered; clusters: ${listOf(clusters)}`,
            ],
      ),
      ...[...patterns].flatMap((pattern) =>
        prefixes === undefined || prefixes.some((prefix) => meets(pattern, prefix))
          ? []
          : [
              `policy "${name}": no mount covers the path ${pattern}; prefixes: ${listOf(prefixes)}`,
            ],
      ),
    ];
  });
}

/** Reports whether a pattern may match paths below a prefix, by its segments before the first wildcard. */
function meets(pattern: string, prefix: string): boolean {
  const literal = literalPart(pattern);
  if (literal === '' || literal === prefix) return true;
  return isUnder(literal, prefix) || isUnder(prefix, literal);
}

/** The segments of a pattern before the first one with a wildcard or a variable. */
export function literalPart(pattern: string): string {
  const segments = pattern.split('/');
  const wild = segments.findIndex((segment) => /[*$?{]/.test(segment));
  return segments.slice(0, wild === -1 ? undefined : wild).join('/');
}

function listOf(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join(', ');
}

interface Listed {
  readonly name: string;
  readonly document: unknown;
}

/** Lists all items; undefined if the caller may not list them. */
async function listUnlessDenied(
  broker: Broker,
  id: PagedId,
): Promise<readonly Listed[] | undefined> {
  try {
    return (await allPages(broker, id, { query: { limit: 1000 } })) as unknown as readonly Listed[];
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return undefined;
    throw error;
  }
}
