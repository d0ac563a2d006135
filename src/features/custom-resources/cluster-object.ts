import { BrokerError } from '../../domain/errors.ts';
import type { DocumentKind } from '../../broker/model/kinds.ts';

/** The API group and version of the custom resources; policies have the same `apiVersion` everywhere. */
export const RESOURCE_GROUP = 'quaymaster.dev';
export const RESOURCE_VERSION = 'v1';

/** Kind of document that Kubernetes may have as a custom resource. Kinds that grant rights are not among them. */
export interface Resource {
  readonly kind: Exclude<DocumentKind, 'cluster' | 'operator' | 'role-binding'>;
  readonly objectKind: string;
  readonly plural: string;
  readonly isNamespaced: boolean;
}

const resource = (
  kind: Resource['kind'],
  objectKind: string,
  plural: string,
  isNamespaced: boolean,
): Resource => ({ kind, objectKind, plural, isNamespaced });

/** Resources in the order in which a start applies them: definitions need their mounts. */
export const RESOURCES: readonly Resource[] = [
  resource('mount', 'Mount', 'mounts', false),
  resource('definition', 'SecretDefinition', 'secretdefinitions', true),
  resource('posture-profile', 'PostureProfile', 'postureprofiles', false),
  resource('response-rule', 'ResponseRule', 'responserules', false),
  resource('policy', 'AccessPolicy', 'accesspolicies', true),
];

export function resourceOf(kind: Resource['kind']): Resource {
  const found = RESOURCES.find((each) => each.kind === kind);
  if (found === undefined) throw new Error(`no resource has the kind ${kind}`);
  return found;
}

/** A custom resource, as far as the broker uses it. */
export interface ClusterObject {
  readonly resource: Resource;
  /** Namespace of the object; empty for an object of the whole cluster. */
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly generation: number;
  readonly spec: unknown;
  readonly conditions: readonly unknown[];
}

/** Builds the key of an object in its cluster. */
export function objectKey({
  resource,
  namespace,
  name,
}: Pick<ClusterObject, 'resource' | 'namespace' | 'name'>): string {
  return `${resource.plural}/${namespace}/${name}`;
}

/** Limit of an object, the same as the API's limit of one document. */
const MOST_BYTES = 65_536;

/** @throws ERR_PROVIDER_MALFORMED if it is not an object of Kubernetes. */
export function readClusterObject(resource: Resource, object: unknown): ClusterObject {
  const { metadata, spec, status } = membersOf(object);
  const { namespace = '', name, uid = '', generation = 0 } = membersOf(metadata);
  const { conditions } = membersOf(status ?? {});
  if (
    typeof name !== 'string' ||
    typeof namespace !== 'string' ||
    typeof uid !== 'string' ||
    typeof generation !== 'number' ||
    (namespace === '') === resource.isNamespaced
  ) {
    throw malformed();
  }
  return {
    resource,
    namespace,
    name,
    uid,
    generation,
    spec,
    conditions: Array.isArray(conditions) ? (conditions as unknown[]) : [],
  };
}

/** The UID of a namespace. @throws ERR_PROVIDER_MALFORMED if it is not an object of Kubernetes */
export function namespaceUid(object: unknown): string {
  const { uid } = membersOf(membersOf(object)['metadata']);
  if (typeof uid === 'string' && uid !== '') return uid;
  throw malformed();
}

/** @throws ERR_BODY_INVALID */
export function checkSize({ spec }: ClusterObject): void {
  const bytes = Buffer.byteLength(JSON.stringify(spec ?? null));
  if (bytes <= MOST_BYTES) return;
  const message = `has ${bytes} bytes as JSON; the limit is ${MOST_BYTES}`;
  throw new BrokerError('ERR_BODY_INVALID', undefined, {
    problems: [{ pointer: '/spec', message }],
  });
}

function membersOf(value: unknown): Partial<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw malformed();
}

function malformed(): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_a_resource' });
}
