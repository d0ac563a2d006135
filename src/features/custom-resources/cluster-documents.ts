import { isDeepStrictEqual } from 'node:util';
import { BrokerError, type ErrorCode, type ErrorKind, type Problem } from '../../domain/errors.ts';
import { pathOf } from '../../domain/words/json-pointer.ts';
import { encodeClient } from '../../domain/audit/audit-event.ts';
import { HELD_DELETION, SUSPENDED_DELETION } from '../../domain/identity/cluster.ts';
import { randomId } from '../../crypto/random/random.ts';
import type { Call } from '../../broker/access/call.ts';
import { applyDocument, deleteDocument } from '../../broker/documents/apply-document.ts';
import { checkReferences } from '../../broker/documents/check-references.ts';
import type { StoredDocument } from '../../broker/model/document.ts';
import type { ClusterEditor } from '../../broker/access/cluster-editor.ts';
import { Buckets } from '../../broker/kernel/token-bucket.ts';
import {
  RESOURCE_GROUP,
  RESOURCE_VERSION,
  RESOURCES,
  resourceOf,
  type ClusterObject,
  type Resource,
} from './cluster-object.ts';
import { DeletionLimit } from './deletion-limit.ts';
import { DeletionRetries } from './deletion-retries.ts';
import { ABSENT, NamespaceUids, type Uids } from './namespace-uids.ts';
import { inSpec, type ObjectAuthority, type WantedDocument } from './object-authority.ts';

/** Verdict of the broker about an object, for its status. */
export interface Verdict {
  readonly isAccepted: boolean;
  readonly reason: 'Accepted' | 'Invalid' | 'NotAllowed' | 'Conflict' | 'TooMany';
  readonly message: string;
  /** The document, if the object has one, perhaps from an earlier generation. */
  readonly document?: string | undefined;
}

type Parts = Parameters<typeof applyDocument>[0];
type Origin = Pick<ClusterObject, 'resource' | 'namespace' | 'name' | 'uid' | 'generation'>;

/** Document whose object no longer exists. */
interface Gone extends Origin {
  readonly document: StoredDocument;
}

/** Deletions that failed for one cause, which was not that of their last attempts. */
interface DeletionFailure {
  /** One of them. */
  readonly document: StoredDocument;
  readonly error: unknown;
  readonly count: number;
}

export interface Removal {
  /** Documents that were marked now. */
  readonly held: number;
  readonly failures: readonly DeletionFailure[];
}

const POLICIES = resourceOf('policy');
/** Documents of one kind in a namespace, and bytes of all its documents. */
const MOST_OF_NAMESPACE = { documents: 500, bytes: 8 * 1_048_576 };
/** Limits of changes in a namespace: every change is a version in the store, and an entry of the log. */
const CHANGES = { perSecond: 1, burst: 600 };
const CHANGED_BYTES = { perSecond: 256, burst: 2 * MOST_OF_NAMESPACE.bytes };
/** Versions that the broker keeps of each document of a custom resource. Their history is in the cluster, or in its repository. */
const KEPT_VERSIONS = 20;
/** Errors that are not the object's fault: the same object is retried. */
const TEMPORARY: readonly ErrorKind[] = [
  'limited',
  'timeout',
  'unavailable',
  'internal',
  'upstream',
];

/** Runs work in the turn of a namespace. */
type InTurn = (namespace: string, work: () => Promise<void>) => Promise<void>;

/** The documents of one cluster's custom resources. */
export class ClusterDocuments {
  readonly authority: ObjectAuthority;
  readonly #parts: Parts;
  readonly #server: string;
  /** Budgets of changes by namespace. */
  readonly #changes: Buckets;
  readonly #changedBytes: Buckets;
  readonly #sizes = new WeakMap<StoredDocument, number>();
  readonly #limit: DeletionLimit;
  readonly #retries: DeletionRetries;
  readonly #uids: NamespaceUids;
  /** Namespaces that this process knows to have been deleted. Policies that outlive their resources there are not in force. */
  readonly #replaced = new Set<string>();
  /** Documents of this cluster by kind and object; undefined after a change of a document. */
  readonly #owned = new Map<Resource['kind'], Map<string, StoredDocument[]>>();

  /** @param server the address of the API server, for the log */
  constructor(parts: Parts, authority: ObjectAuthority, server: string) {
    this.#parts = parts;
    this.authority = authority;
    this.#server = server;
    this.#changes = new Buckets(parts.clock, CHANGES);
    this.#changedBytes = new Buckets(parts.clock, CHANGED_BYTES);
    this.#limit = new DeletionLimit(parts.clock);
    this.#retries = new DeletionRetries(parts.clock);
    this.#uids = new NamespaceUids(parts, authority.cluster);
    parts.state.onDocument((kind) => this.#owned.delete(kind as Resource['kind']));
  }

  /**
   * Makes the object's document as the object says. A refused object keeps the document of its last accepted generation, unless its namespace may not
   * have that any more.
   * @throws the errors that a later attempt may not meet, such as ERR_STORE_UNAVAILABLE
   */
  async apply(object: ClusterObject): Promise<Verdict> {
    const { authority } = this;
    this.#retries.forget(object);
    const name = authority.nameOf(object);
    const owner = authority.ownerOf(object);
    await this.#withdraw(object, (document) => document.name === name || name === undefined);
    const kept = (): string | undefined => this.#ownedBy(object.resource.kind, owner)[0]?.name;
    try {
      const wanted = authority.check(object);
      await this.#write(object, wanted);
      return {
        isAccepted: true,
        reason: 'Accepted',
        message: 'The broker holds the document',
        document: wanted.name,
      };
    } catch (error) {
      const { code, problems, detail } = BrokerError.from(error);
      const reason = reasonOf(BrokerError.from(error));
      if (reason === undefined) throw error;
      const message = problems === undefined ? (detail ?? code) : messageOf(problems);
      return { isAccepted: false, reason, message, document: kept() };
    }
  }

  /** Deletes the documents of an object that is gone. */
  async remove(origin: Origin): Promise<void> {
    await this.#withdraw(origin, () => false);
  }

  /**
   * Removes the policies of namespaces that were deleted since their resources were copied, also if others have their names now: such a policy would
   * grant to the next owner of the name. The broker may have missed the deletion, so it compares the UIDs. Above the limit of deletions it suspends
   * the policies. A namespace that does not exist keeps its UID until another one has its name.
   * @param present UIDs of now; a namespace that is missing here was not looked up
   * @param existing writers of policies whose resources exist now
   * @returns namespaces that were replaced
   */
  async removeReplaced(
    present: Uids,
    existing: ReadonlySet<string>,
    inTurn?: InTurn,
  ): Promise<readonly string[]> {
    const before = await this.#uids.read();
    const replaced = [...present]
      .filter(([name, uid]) => ![ABSENT, before.get(name) ?? uid].includes(uid))
      .map(([name]) => name);
    const absent = [...present].filter(([, uid]) => uid === ABSENT).map(([name]) => name);
    for (const name of [...replaced, ...absent]) this.#replaced.add(name);
    const others = [...this.#ownersOf('policy').keys()].filter(
      (owner) => !replaced.includes(this.#namespaceOf(owner)),
    );
    const failures =
      replaced.length === 0
        ? []
        : (await this.removeOthers(POLICIES, new Set([...existing, ...others]), inTurn)).failures;
    // After a failure the same namespaces are compared again.
    const found = failures.length === 0 ? present : new Map<string, string>();
    const configured = this.authority.namespaces;
    const kept = [...before, ...found].filter(
      ([name, uid]) => configured.has(name) && uid !== ABSENT,
    );
    await this.#uids.write(new Map(kept));
    return replaced;
  }

  /** Count of documents whose deletion is stopped. Every process knows them. */
  get held(): number {
    const all = RESOURCES.flatMap(({ kind }) => [...this.#ownersOf(kind).values()].flat());
    return all.filter(isHeld).length;
  }

  /**
   * Deletes, after a complete list of a kind, the documents of objects that no longer exist. The broker may have missed their
   * deletion. Above a limit it keeps them, and marks them for an operator. Documents that the configuration no longer allows
   * always go. A deletion that failed waits for its retry.
   * @param seen the objects that exist; one that returns meanwhile keeps its documents
   * @param inTurn runs the deletions of a namespace, while nothing else changes its documents
   */
  async removeOthers(
    resource: Resource,
    seen: ReadonlySet<string>,
    inTurn: InTurn = (_, work) => work(),
  ): Promise<Removal> {
    const gone = this.#gone(resource, seen);
    this.#retries.keepOnly(resource, gone);
    const lost = gone.filter((each) => !this.authority.mayKeep(each, each.document));
    const missed = gone.filter((each) => !lost.includes(each) && !isHeld(each.document));
    const counts = this.#countsOf(resource.kind);
    const emptied =
      resource.kind === 'policy'
        ? new Set([...this.#replaced, ...emptiedIn(gone, counts)])
        : NO_NAMESPACES;
    const markOf = ({ namespace }: Gone): string =>
      emptied.has(namespace) ? SUSPENDED_DELETION : HELD_DELETION;
    // Some were marked before the last resource of their namespace was gone.
    const late = gone.filter(
      (each) => !lost.includes(each) && emptied.has(each.namespace) && isHeldInForce(each.document),
    );
    const allowed = this.#limit.allowed(resource, missed, counts);
    const isStopped = (each: Gone): boolean =>
      late.includes(each) ||
      (missed.includes(each) && !(allowed.includes(each) && !this.#retries.isHold(each)));
    const failures = new Map<string, DeletionFailure>();
    let held = 0;
    const remove = async (each: Gone): Promise<void> => {
      if (!this.#retries.isDue(each) || seen.has(this.authority.ownerOf(each))) return;
      const isHold = isStopped(each);
      try {
        if (isHold) await this.#hold(each, markOf(each));
        else await this.remove(each);
        if (isHold) held += 1;
        else if (missed.includes(each)) this.#limit.count(resource, each.namespace);
      } catch (error) {
        // One mount that is still in use must not keep the policies of others.
        const cause = this.#retries.failed(each, error, isHold);
        if (cause === undefined) return;
        const count = (failures.get(cause)?.count ?? 0) + 1;
        failures.set(cause, { document: each.document, error, count });
      }
    };
    const ofNamespaces = Map.groupBy([...lost, ...missed, ...late], ({ namespace }) => namespace);
    const removals = [...ofNamespaces].map(([namespace, own]) =>
      inTurn(namespace, async () => {
        for (const each of own) await remove(each);
      }),
    );
    await Promise.all(removals);
    return { held, failures: [...failures.values()] };
  }

  #gone(resource: Resource, seen: ReadonlySet<string>): readonly Gone[] {
    const owners = [...this.#ownersOf(resource.kind)].filter(([owner]) => !seen.has(owner));
    return owners.flatMap(([owner, documents]) => {
      const [name = '', namespace = ''] = this.#placeOf(owner);
      const origin = { resource, namespace, name, uid: '', generation: 0 };
      return documents.map((document) => ({ ...origin, document }));
    });
  }

  /** Lists the parts of the object's path in its cluster, its name first. */
  #placeOf(owner: string): readonly string[] {
    return owner.slice(this.authority.ownerPrefix.length).split('/').reverse();
  }

  #namespaceOf(owner: string): string {
    return this.#placeOf(owner)[1] ?? '';
  }

  /** Documents by namespace. */
  #countsOf(kind: Resource['kind']): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const [owner, documents] of this.#ownersOf(kind)) {
      const namespace = this.#namespaceOf(owner);
      counts.set(namespace, (counts.get(namespace) ?? 0) + documents.length);
    }
    return counts;
  }

  /** Writes the document as it is, with the mark: it stays in the store, and another process knows it after a takeover. */
  async #hold({ document, ...origin }: Gone, mark: string): Promise<void> {
    const { kind, name, body, updatedBy: writtenBy } = document;
    const change = { kind, name, body, precondition: { writtenBy } };
    const holder = this.authority.holder(origin, mark);
    await applyDocument(this.#parts, this.#call(origin), holder, change);
  }

  async #write(object: ClusterObject, wanted: WantedDocument): Promise<void> {
    try {
      await this.#writeBody(object, wanted);
    } catch (error) {
      throw wanted.kind === 'policy' ? error : inSpec(error);
    }
  }

  async #writeBody(object: ClusterObject, { kind, name, body }: WantedDocument): Promise<void> {
    const { authority } = this;
    const owner = authority.ownerOf(object);
    const current = this.#parts.catalog.find(kind, name);
    const editor = authority.editor(object);
    if (current?.updatedBy === owner && isDeepStrictEqual(current.body, body)) {
      await this.#checkScope(current, editor);
      return;
    }
    if (current !== undefined && ownerIn(current) !== owner) throw conflict(current);
    const bytes = bytesOf(body);
    if (current === undefined) this.#checkCount(object);
    this.#checkBytes(object, bytes - (current === undefined ? 0 : this.#sizeOf(current)));
    this.#spend(object, bytes);
    const precondition = { writtenBy: current?.updatedBy ?? owner };
    const change = { kind, name, body, precondition, keptVersions: KEPT_VERSIONS };
    await applyDocument(this.#parts, this.#call(object), editor, change);
  }

  /** Deletes documents of the object, except those that it wants and may have. */
  async #withdraw(origin: Origin, isWanted: (document: StoredDocument) => boolean): Promise<void> {
    const { authority } = this;
    for (const document of this.#ownedBy(origin.resource.kind, authority.ownerOf(origin))) {
      if (isWanted(document) && (await this.#mayKeep(origin, document))) continue;
      const { kind, name, updatedBy: writtenBy } = document;
      const change = { kind, name, precondition: { writtenBy }, keptVersions: KEPT_VERSIONS };
      await deleteDocument(this.#parts, this.#call(origin), authority.remover(origin), change);
    }
  }

  /** A definition also has a locator, which must lie in the prefixes of now, not of the time when it was accepted. */
  async #mayKeep(
    origin: Parameters<ObjectAuthority['mayKeep']>[0],
    document: StoredDocument,
  ): Promise<boolean> {
    if (!this.authority.mayKeep(origin, document)) return false;
    try {
      await this.#checkScope(document, this.authority.editor(origin));
      return true;
    } catch (error) {
      return BrokerError.from(error).reason !== 'scope_ref';
    }
  }

  /** @throws ERR_BODY_INVALID with the reason `scope_ref` */
  async #checkScope(document: StoredDocument, editor: ClusterEditor): Promise<void> {
    if (document.kind === 'definition')
      await checkReferences(this.#parts, document, undefined, editor);
  }

  #checkCount({ resource, namespace }: ClusterObject): void {
    if (!resource.isNamespaced) return;
    const count = this.#ofNamespace(resource.kind, namespace).length;
    if (count < MOST_OF_NAMESPACE.documents) return;
    throw tooMany(
      `the namespace "${namespace}" has ${count} documents of this kind; the limit is ${MOST_OF_NAMESPACE.documents}`,
    );
  }

  /** @param added bytes that the change adds to the documents of its namespace */
  #checkBytes({ resource, namespace }: ClusterObject, added: number): void {
    if (!resource.isNamespaced || added <= 0) return;
    const kinds = RESOURCES.filter(({ isNamespaced }) => isNamespaced).map(({ kind }) => kind);
    const bytes = kinds
      .flatMap((kind) => this.#ofNamespace(kind, namespace))
      .reduce((sum, document) => sum + this.#sizeOf(document), added);
    if (bytes <= MOST_OF_NAMESPACE.bytes) return;
    throw tooMany(
      `the documents of the namespace "${namespace}" would have ${bytes} bytes; the limit is ${MOST_OF_NAMESPACE.bytes}`,
    );
  }

  #ofNamespace(kind: Resource['kind'], namespace: string): readonly StoredDocument[] {
    const own = `${this.authority.ownerPrefix}${namespace}/`;
    const found: StoredDocument[] = [];
    for (const [owner, documents] of this.#ownersOf(kind))
      if (owner.startsWith(own)) found.push(...documents);
    return found;
  }

  #sizeOf(document: StoredDocument): number {
    const known = this.#sizes.get(document) ?? bytesOf(document.body);
    this.#sizes.set(document, known);
    return known;
  }

  /** @throws ERR_RATE_LIMITED */
  #spend({ namespace }: ClusterObject, bytes: number): void {
    const now = this.#parts.clock.monotonic();
    const wait =
      this.#changes.of(namespace).take(1, now) || this.#changedBytes.of(namespace).take(bytes, now);
    if (wait > 0) throw new BrokerError('ERR_RATE_LIMITED', undefined, { retryAfterSeconds: wait });
  }

  #ownedBy(kind: Resource['kind'], owner: string): readonly StoredDocument[] {
    return this.#ownersOf(kind).get(owner) ?? [];
  }

  #ownersOf(kind: Resource['kind']): ReadonlyMap<string, readonly StoredDocument[]> {
    const known = this.#owned.get(kind);
    if (known !== undefined) return known;
    const own = this.#parts.catalog
      .all(kind)
      .filter(({ updatedBy }) => updatedBy.startsWith(this.authority.ownerPrefix));
    const owners = Map.groupBy(own, ownerIn) as Map<string, StoredDocument[]>;
    this.#owned.set(kind, owners);
    return owners;
  }

  /** Builds the request for the log: the object's path at the API server, with its uid and generation. */
  #call(origin: Origin): Call {
    const { resource, namespace, name, uid, generation } = origin;
    const place = resource.isNamespaced ? `/namespaces/${namespace}` : '';
    const address = this.#server;
    const client = encodeClient(
      {
        address,
        requestId: `${uid}/${generation}`,
        target: `/apis/${RESOURCE_GROUP}/${RESOURCE_VERSION}${place}/${resource.plural}/${name}`,
      },
      this.#parts.digest,
    );
    const requestId = randomId('req');
    const holder = `kubernetes/${this.authority.cluster}`;
    const signal = new AbortController().signal;
    return {
      requestId,
      address,
      network: holder,
      holder,
      client,
      refusedClient: client,
      context: () => ({ requestId, signal }),
      spend: () => undefined,
    };
  }
}

const NO_NAMESPACES: ReadonlySet<string> = new Set();

/**
 * Namespaces none of whose resources is left: they were deleted, and their policies would grant to the next owner of their names. If no namespace has
 * any left, the kind was deleted, or the list is wrong, which must not stop every team.
 * @param counts documents by namespace, the gone ones included
 */
function emptiedIn(
  gone: readonly Gone[],
  counts: ReadonlyMap<string, number>,
): ReadonlySet<string> {
  const missing = Map.groupBy(gone, ({ namespace }) => namespace);
  const emptied = [...counts].filter(([name, count]) => missing.get(name)?.length === count);
  return emptied.length === counts.size ? NO_NAMESPACES : new Set(emptied.map(([name]) => name));
}

function isHeld({ updatedBy }: StoredDocument): boolean {
  return updatedBy.endsWith(HELD_DELETION);
}

function isHeldInForce(document: StoredDocument): boolean {
  return isHeld(document) && !document.updatedBy.endsWith(SUSPENDED_DELETION);
}

/** Gives the writer, without the mark of a stopped deletion. */
function ownerIn({ updatedBy }: StoredDocument): string {
  return updatedBy.split('#')[0] ?? updatedBy;
}

const REASONS: Partial<Record<ErrorCode, Exclude<Verdict['reason'], 'Accepted'>>> = {
  ERR_DENIED: 'NotAllowed',
  ERR_CONFLICT: 'Conflict',
  ERR_VERSION_CONFLICT: 'Conflict',
};

/** Describes an error; undefined if a later attempt may not meet it. */
function reasonOf({
  code,
  kind,
  reason,
}: BrokerError): Exclude<Verdict['reason'], 'Accepted'> | undefined {
  if (reason === 'too_many') return 'TooMany';
  return REASONS[code] ?? (TEMPORARY.includes(kind) ? undefined : 'Invalid');
}

const LONGEST_MESSAGE = 8_192;

/** Problems as Kubernetes words them: `spec.rules[0].paths[1]: …`. */
export function messageOf(problems: readonly Problem[]): string {
  const text = problems
    .map(({ pointer, message }) => `${fieldPath(pointer)}: ${message}`)
    .join('; ');
  return text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE)}…` : text;
}

function fieldPath(pointer: string): string {
  const path = pathOf(pointer)
    .map((part) => {
      if (/^\d+$/.test(part)) return `[${part}]`;
      return /^[A-Za-z][A-Za-z0-9]*$/.test(part) ? `.${part}` : `[${JSON.stringify(part)}]`;
    })
    .join('');
  return path.replace(/^\./, '') || 'object';
}

function tooMany(detail: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail, { reason: 'too_many' });
}

function bytesOf(body: unknown): number {
  return Buffer.byteLength(JSON.stringify(body));
}

/** A team reads this at its resource, so it does not name the writer, who may be a person or another namespace. */
function conflict({ kind, name }: StoredDocument): BrokerError {
  return new BrokerError(
    'ERR_CONFLICT',
    `another writer has the ${kind} "${name}": it stays; operators see who wrote it`,
  );
}
