import type { TextDigest } from '../../domain/audit/audit-text.ts';
import { CLUSTER_WRITER } from '../../domain/identity/cluster.ts';
import { BrokerError, type Problem } from '../../domain/errors.ts';
import { pointerTo } from '../../domain/words/json-pointer.ts';
import { isName, isSecretPath, isUnder } from '../../domain/words/names.ts';
import { POLICY_API_VERSION, POLICY_KIND } from '../../domain/policy/access-policy.ts';
import { staticPrefix } from '../../domain/policy/index.ts';
import type { AccessPolicy } from '../../domain/policy/index.ts';
import type { Grant } from '../../domain/identity/principal.ts';
import { parseSpec } from '../../broker/model/schema.ts';
import type { StoredDocument } from '../../broker/model/document.ts';
import { ClusterEditor } from '../../broker/access/cluster-editor.ts';
import { checkSize, type ClusterObject, type Resource } from './cluster-object.ts';
import type { ClusterDocumentsConfig } from './config.ts';

/** The document that an object describes. */
export interface WantedDocument {
  readonly kind: Resource['kind'];
  readonly name: string;
  readonly body: unknown;
}

type Origin = Pick<ClusterObject, 'resource' | 'namespace' | 'name'>;

/**
 * Authority of the objects of one cluster. A team can write any object in its namespace, so each object is attacker-controlled:
 * its rights come from the configuration only, never from an annotation or a label of the cluster.
 */
export class ObjectAuthority {
  readonly cluster: string;
  /** Prefix with which every writer of documents of this cluster begins. */
  readonly ownerPrefix: string;
  readonly #clusterKinds: ReadonlySet<string>;
  /** Prefixes of each configured namespace; undefined for an unrestricted one. */
  readonly #prefixes: ReadonlyMap<string, readonly string[] | undefined>;
  readonly #digest: TextDigest;

  constructor({ cluster, clusterKinds, namespaces }: ClusterDocumentsConfig, digest: TextDigest) {
    this.cluster = cluster;
    this.ownerPrefix = `${CLUSTER_WRITER}${cluster}/`;
    this.#clusterKinds = new Set<string>(clusterKinds);
    this.#prefixes = new Map(namespaces.map(({ name, prefixes }) => [name, prefixes]));
    this.#digest = digest;
  }

  /** The configured namespaces. */
  get namespaces(): Pick<ReadonlySet<string>, 'has' | 'keys'> {
    return this.#prefixes;
  }

  /** Writer of the documents of an object. Neither a name of an operator nor one of a person has this form. */
  ownerOf({ namespace, name, resource }: Origin): string {
    return `${this.ownerPrefix}${resource.isNamespaced ? `${namespace}/` : ''}${name}`;
  }

  /** The name of an object's document; undefined if its spec does not say it. */
  nameOf(object: ClusterObject): string | undefined {
    const { resource, name } = object;
    if (resource.kind === 'policy') return `${this.#policyPrefix(object)}${name}`;
    if (resource.kind !== 'definition') return name;
    const path = fieldsOf(object.spec)?.['path'];
    return typeof path === 'string' && isSecretPath(path) ? path : undefined;
  }

  /**
   * Checks an object without the broker's state, so that the answer does not say which documents exist.
   * @throws ERR_BODY_INVALID, ERR_UNKNOWN_FIELD or ERR_POLICY_INVALID with the positions in the object; ERR_DENIED if its namespace may not write it
   */
  check(object: ClusterObject): WantedDocument {
    const { wanted, spec } = this.#read(object);
    const problems = this.#outside(object, wanted.name, spec);
    if (problems.length > 0) throw new BrokerError('ERR_DENIED', undefined, { problems });
    return wanted;
  }

  /**
   * Checks the form of an object, whatever its namespace may write. The answer says nothing about the configuration.
   * @throws ERR_BODY_INVALID, ERR_UNKNOWN_FIELD or ERR_POLICY_INVALID with the positions in the object
   */
  checkForm(object: ClusterObject): void {
    this.#read(object);
  }

  #read(object: ClusterObject): { readonly wanted: WantedDocument; readonly spec: unknown } {
    checkSize(object);
    const wanted = this.#wanted(object);
    return { wanted, spec: parsedSpec(wanted) };
  }

  /** Reports whether the configuration still lets the object have the document, which it perhaps got under an earlier one. */
  mayKeep(origin: Origin, { name, spec }: StoredDocument): boolean {
    return this.#outside(origin, name, spec).length === 0;
  }

  /** The editor for an object's document, with no more rights than its namespace has. */
  editor(origin: Origin): ClusterEditor {
    return this.#editor(origin, this.#grantsOf(origin));
  }

  /** The editor that deletes documents of an object, also those that its namespace may no longer have. */
  remover(origin: Origin): ClusterEditor {
    return this.#editor(origin, [{ role: 'admin', scope: [] }]);
  }

  /** Builds the editor that marks a document whose deletion is stopped. */
  holder(origin: Origin, mark: string): ClusterEditor {
    const owner = `${this.ownerOf(origin)}${mark}`;
    return this.#editor(origin, [{ role: 'admin', scope: [] }], owner);
  }

  #editor(origin: Origin, grants: readonly Grant[], owner = this.ownerOf(origin)): ClusterEditor {
    const { cluster } = this;
    const policyPrefix = this.#policyPrefix(origin);
    return new ClusterEditor({ cluster, owner, grants, policyPrefix }, this.#digest);
  }

  /** Builds the prefix of policy names. A namespace has no dot, so no two objects of a cluster have the same name here. */
  #policyPrefix({ namespace }: Origin): string {
    return `${this.cluster}.${namespace}.`;
  }

  #grantsOf({ resource, namespace }: Origin): readonly Grant[] {
    if (!resource.isNamespaced) {
      const role = resource.kind === 'mount' ? 'admin' : 'policy-editor';
      return this.#clusterKinds.has(resource.objectKind) ? [{ role, scope: [] }] : [];
    }
    if (!this.#prefixes.has(namespace)) return [];
    const role = resource.kind === 'policy' ? 'policy-editor' : 'secret-editor';
    return [{ role, scope: this.#prefixes.get(namespace) ?? [] }];
  }

  #wanted(object: ClusterObject): WantedDocument {
    const { resource, spec } = object;
    const { kind } = resource;
    const name = this.nameOf(object);
    if (name === undefined) throw invalid('/spec/path', 'must be the path of a secret');
    if (kind === 'definition') {
      const fields = Object.entries(fieldsOf(spec) ?? {});
      return { kind, name, body: Object.fromEntries(fields.filter(([field]) => field !== 'path')) };
    }
    if (!isName(name)) {
      throw invalid(
        '/metadata/name',
        `the document would be called "${name}": names have at most 63 of [a-z0-9._-]`,
      );
    }
    const head = { apiVersion: POLICY_API_VERSION, kind: POLICY_KIND, metadata: { name } };
    return { kind, name, body: kind === 'policy' ? { ...head, spec } : spec };
  }

  /** Lists the fields of an object that name something that its namespace may not write. */
  #outside(origin: Origin, name: string, spec: unknown): readonly Problem[] {
    const { resource, namespace } = origin;
    if (this.#grantsOf(origin).length === 0) return [this.#notConfigured(origin)];
    const prefixes = this.#prefixes.get(namespace);
    if (!resource.isNamespaced || prefixes === undefined) return [];
    const isOutside = (path: string): boolean => !prefixes.some((prefix) => isUnder(path, prefix));
    const message = `is outside the prefixes of the namespace "${namespace}"`;
    if (resource.kind === 'definition')
      return isOutside(name) ? [{ pointer: '/spec/path', message }] : [];
    const { subjects, rules } = (spec as AccessPolicy).spec;
    return [
      ...subjects.flatMap((subject, at) => this.#foreign(subject, namespace, at)),
      ...rules.flatMap(({ paths }, rule) =>
        paths.flatMap((path, at) =>
          isOutside(staticPrefix(path))
            ? [{ pointer: pointerTo(['spec', 'rules', rule, 'paths', at]), message }]
            : [],
        ),
      ),
    ];
  }

  /**
   * Reports subjects in other namespaces. Only literal names are allowed: `pay*` would also match namespaces that are created
   * later.
   */
  #foreign(
    subject: AccessPolicy['spec']['subjects'][number],
    namespace: string,
    at: number,
  ): readonly Problem[] {
    const place = (field: string): string => pointerTo(['spec', 'subjects', at, field]);
    const own = (names: readonly string[], name: string): boolean =>
      names.every((each) => each === name);
    if ('identities' in subject) {
      const message = `a policy of the namespace "${namespace}" may name its service accounts only, not identities`;
      return [{ pointer: place('identities'), message }];
    }
    return [
      ...(own(subject.clusters, this.cluster)
        ? []
        : [{ pointer: place('clusters'), message: `must be "${this.cluster}" only` }]),
      ...(own(subject.namespaces, namespace)
        ? []
        : [{ pointer: place('namespaces'), message: `must be "${namespace}" only` }]),
    ];
  }

  #notConfigured({ resource, namespace }: Origin): Problem {
    return resource.isNamespaced
      ? {
          pointer: '/metadata/namespace',
          message: `kubernetes.documents of the broker does not name the namespace "${namespace}"`,
        }
      : {
          pointer: '/kind',
          message: `kubernetes.documents of the broker does not have ${resource.objectKind} in clusterKinds`,
        };
  }
}

/** Reports the problems of a body with their pointers in the object. */
function parsedSpec({ kind, body }: WantedDocument): unknown {
  try {
    return parseSpec(kind, body);
  } catch (error) {
    if (kind !== 'policy') throw inSpec(error);
    throw error;
  }
}

/** Copies the error with its positions in an object, whose spec is the body. */
export function inSpec(error: unknown): unknown {
  if (!(error instanceof BrokerError) || error.problems === undefined) return error;
  const problems = error.problems.map((each) => ({ ...each, pointer: `/spec${each.pointer}` }));
  return new BrokerError(error.code, error.detail, { problems, ...pick(error) });
}

function pick({ reason }: BrokerError): { readonly reason?: string } {
  return reason === undefined ? {} : { reason };
}

function fieldsOf(spec: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof spec === 'object' && spec !== null && !Array.isArray(spec)
    ? (spec as Readonly<Record<string, unknown>>)
    : undefined;
}

function invalid(pointer: string, message: string): BrokerError {
  return new BrokerError('ERR_BODY_INVALID', undefined, { problems: [{ pointer, message }] });
}
