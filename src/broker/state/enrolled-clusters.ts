import { decryptAt, encryptAt, type ColumnAt } from '../kernel/encrypted-columns.ts';
import type { Keyring } from '../../crypto/keys/keyring.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import {
  isEnrolling,
  type DeclaredApiServer,
  type EnrollingClusterSpec,
} from '../../domain/identity/cluster.ts';
import { Sensitive } from '../../domain/secrets/sensitive.ts';
import type { KubernetesApi, OpenApiServer } from '../../ports/kubernetes-api.ts';
import { allRows } from '../../ports/queries.ts';
import type { Store } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { listAll } from '../kernel/list-all.ts';
import { openRow } from '../kernel/row-macs.ts';
import type { StoredDocument } from '../model/document.ts';

type Row = Tables['enrolments'];

/** Keys that encrypt the credentials, and the place to which they are bound. */
interface Keys {
  readonly keyring: Keyring;
  readonly installation: string;
}

/** A token of the declared account at the API server. */
export interface ClusterCredential {
  readonly token: Sensitive<string>;
  /** Milliseconds since the epoch. */
  readonly endsAt: number;
  readonly renewAt: number;
}

/** The credential that a cluster gave, and the document and API server for which it did. */
export interface Enrolment {
  readonly cluster: string;
  readonly clusterUid: string;
  readonly apiServer: string;
  readonly credential: ClusterCredential | undefined;
}

/** Digest of an API server and its account. A code and a credential are for no other. */
export function apiServerDigest({ url, ca = '', serviceAccount }: DeclaredApiServer): string {
  return sha256Hex(JSON.stringify([url, ca, serviceAccount]));
}

/** Reports whether an enrolment is for this document, as it is now. */
export function isFor(
  { clusterUid, apiServer }: Pick<Enrolment, 'clusterUid' | 'apiServer'>,
  { uid, spec }: Pick<StoredDocument<'cluster'>, 'uid' | 'spec'>,
): boolean {
  return uid === clusterUid && isEnrolling(spec) && apiServerDigest(spec.apiServer) === apiServer;
}

/** Clusters that enrol, and the way to their API servers. */
export interface Enrolling {
  readonly enrolled: EnrolledClusters;
  /** Opens the API server of a cluster. The caller closes it. @throws ERR_CONFLICT if the cluster's connection does not allow it */
  readonly openDeclared: (
    spec: EnrollingClusterSpec,
    token: Parameters<OpenApiServer>[1],
  ) => KubernetesApi;
}

/** The credentials of all enrolled clusters, in memory. A change of kind `enrolment` makes it read one again. */
export class EnrolledClusters {
  readonly #store: Store;
  readonly #keys: Keys;
  readonly #all = new Map<string, Enrolment>();
  #onChange: (cluster: string) => void = () => undefined;

  constructor(store: Store, keys: Keys) {
    this.#store = store;
    this.#keys = keys;
  }

  /** @throws ERR_CIPHERTEXT_INVALID for a credential that the broker did not write */
  async load(): Promise<void> {
    for await (const row of listAll(this.#store, allRows('enrolments')))
      openRow(this.#store, () => this.#all.set(row.cluster, this.#enrolmentOf(row)));
  }

  async refresh(cluster: string): Promise<void> {
    const row = await this.#store.get('enrolments', { cluster });
    if (row === undefined) this.#all.delete(cluster);
    else this.#all.set(cluster, this.#enrolmentOf(row));
    this.#onChange(cluster);
  }

  /** The broker was sealed. */
  clear(): void {
    this.#all.clear();
  }

  /** Registers the one listener, which runs after a credential changed. */
  onChange(listener: (cluster: string) => void): void {
    this.#onChange = listener;
  }

  find(cluster: string): Enrolment | undefined {
    return this.#all.get(cluster);
  }

  all(): readonly Enrolment[] {
    return [...this.#all.values()];
  }

  /** The column of a row that holds a token. */
  encrypt(
    { cluster_uid, api_server }: Pick<Row, 'cluster_uid' | 'api_server'>,
    token: string,
  ): Buffer {
    return encryptAt(this.#keys, placeOf({ cluster_uid, api_server }), Buffer.from(token));
  }

  #enrolmentOf({ cluster, cluster_uid, api_server, sealed, ends_at, renew_at }: Row): Enrolment {
    const named = { cluster, clusterUid: cluster_uid, apiServer: api_server };
    if (sealed === null || ends_at === null || renew_at === null)
      return { ...named, credential: undefined };
    const opened = decryptAt(this.#keys, placeOf({ cluster_uid, api_server }), sealed);
    const token = new Sensitive(opened.toString());
    opened.fill(0);
    return { ...named, credential: { token, endsAt: ends_at, renewAt: renew_at } };
  }
}

function placeOf(row: Pick<Row, 'cluster_uid' | 'api_server'>): ColumnAt {
  return { table: 'enrolments', column: 'sealed', row };
}
