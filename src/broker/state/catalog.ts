import {
  compileSaved,
  indexPolicies,
  withChanges,
  type AccessPolicy,
  type CompiledPolicies,
  type CompiledPolicy,
} from '../../domain/policy/index.ts';
import { SUSPENDED_DELETION } from '../../domain/identity/cluster.ts';
import type { Store } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { allRows } from '../../ports/queries.ts';
import { listAll } from '../kernel/list-all.ts';
import { Turns } from '../kernel/turns.ts';
import { MountTable } from './mount-table.ts';
import { openRow, type KeyringRowMacs } from '../kernel/row-macs.ts';
import { documentOf, openDocument, type StoredDocument } from '../model/document.ts';
import type { DocumentKind } from '../model/kinds.ts';

/** Reads all rows of documents, compared with the digest of their table. @throws ERR_CIPHERTEXT_INVALID, and holds the store, if they differ. */
export type ReadMatched = () => Promise<readonly Tables['documents'][]>;

/** A form of all documents of one kind that a part of the broker decides by. */
export interface DocumentView<K extends DocumentKind = DocumentKind> {
  readonly kind: K;
  /** Called with all documents of the kind, at the start and after a change of one. A change counts when the promise resolves. */
  use(documents: readonly StoredDocument<K>[]): Promise<void>;
}

/** All documents that operators maintain, in memory, opened and compiled; it follows the changes of the store. */
export class Catalog {
  readonly #store: Store;
  readonly #rows: KeyringRowMacs;
  /** Documents by kind, then by name: a read looks for three documents, and joining kind and name cost more than the look-up. */
  readonly #documents = new Map<string, Map<string, StoredDocument>>();
  readonly #readMatched: ReadMatched | undefined;
  readonly #views: readonly DocumentView[];
  #policies: CompiledPolicies = indexPolicies([]);
  /** Changes since the index of policies was made: undefined for a removal. Each edit copies the index, so a decision makes all of them at once. */
  readonly #changed = new Map<string, CompiledPolicy | undefined>();
  #mounts = new MountTable([]);
  /** Turns of operators with an elevation: a change is decided when the one before it is counted. */
  readonly elevatedTurns = new Turns();

  /**
   * Checks the MAC of each row if there is no `readMatched`.
   * @param views of documents that options have
   */
  constructor(
    store: Store,
    rows: KeyringRowMacs,
    readMatched?: ReadMatched,
    views: readonly DocumentView[] = [],
  ) {
    this.#store = store;
    this.#rows = rows;
    this.#readMatched = readMatched;
    this.#views = views;
  }

  /**
   * Reads all documents. In a held store, altered documents are skipped.
   * @throws ERR_CIPHERTEXT_INVALID for a document that the broker did not write.
   */
  async load(): Promise<void> {
    const isHeld = this.#store.fault() === 'ERR_HELD';
    const matched = isHeld ? undefined : await this.#readMatched?.();
    if (matched === undefined) await this.#loadEach();
    // The digest covers each row with its MAC, so no MAC is checked again: that was a third of the time to load ten thousand policies.
    else for (const row of matched) this.#keep(row.kind, documentOf(row));
    this.#policies = indexPolicies(this.all('policy').map(compiled));
    this.#mounts = new MountTable(this.all('mount'));
    for (const view of this.#views) await view.use(this.all(view.kind));
  }

  async #loadEach(): Promise<void> {
    for await (const row of listAll(this.#store, allRows('documents'))) {
      const document = openRow(this.#store, () => openDocument(this.#rows, row));
      if (document !== undefined) this.#keep(row.kind, document);
    }
  }

  get policies(): CompiledPolicies {
    if (this.#changed.size > 0) {
      this.#policies = withChanges(this.#policies, this.#changed);
      this.#changed.clear();
    }
    return this.#policies;
  }

  get mounts(): MountTable {
    return this.#mounts;
  }

  find<K extends DocumentKind>(kind: K, name: string): StoredDocument<K> | undefined {
    return this.#documents.get(kind)?.get(name) as StoredDocument<K> | undefined;
  }

  /** Lists the documents of a kind, ordered by name. */
  all<K extends DocumentKind>(kind: K): readonly StoredDocument<K>[] {
    const documents = [...(this.#documents.get(kind)?.values() ?? [])] as StoredDocument<K>[];
    return documents.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Lists the documents that were written under an elevation in force. */
  under(elevation: string): readonly StoredDocument[] {
    return [...this.#documents.values()].flatMap((documents) =>
      [...documents.values()].filter((document) => document.elevation === elevation),
    );
  }

  /** Reads one document again after a change to it. */
  async refresh(kind: DocumentKind, name: string): Promise<void> {
    const row = await this.#store.get('documents', { kind, name });
    const document = row === undefined ? undefined : openDocument(this.#rows, row);
    if (document === undefined) this.#documents.get(kind)?.delete(name);
    else this.#keep(kind, document);
    if (kind === 'mount') this.#mounts = new MountTable(this.all('mount'));
    for (const view of this.#views) if (view.kind === kind) await view.use(this.all(kind));
    if (kind === 'policy') this.#compile(name, document as StoredDocument<'policy'> | undefined);
  }

  #keep(kind: string, document: StoredDocument): void {
    const known = this.#documents.get(kind);
    if (known === undefined) this.#documents.set(kind, new Map([[document.name, document]]));
    else known.set(document.name, document);
  }

  /** @throws ERR_POLICY_INVALID if a part does not parse. */
  #compile(name: string, stored: StoredDocument<'policy'> | undefined): void {
    this.#changed.set(name, stored && compiled(stored));
  }
}

/** A policy of a namespace that is gone allows nothing, but what it denies stays denied. */
function compiled(document: StoredDocument<'policy'>): CompiledPolicy {
  const { name, version, body, updatedBy } = document;
  const isSuspended = updatedBy.endsWith(SUSPENDED_DELETION);
  // The text is parsed when a rule is needed.
  const policy = (): AccessPolicy => (isSuspended ? denying(document.spec) : document.spec);
  return compileSaved({ name, version, body, policy });
}

function denying(policy: AccessPolicy): AccessPolicy {
  const rules = policy.spec.rules.filter(({ effect }) => effect === 'deny');
  return { ...policy, spec: { ...policy.spec, rules } };
}
