import type { ClusterConnection, NamedConnection } from '../../auth/index.ts';
import type { StoredDocument } from '../../broker/model/document.ts';
import {
  isFor,
  type Enrolling,
  type EnrolledClusters,
} from '../../broker/state/enrolled-clusters.ts';
import { declaredHost, isAllowedHost } from '../../domain/network/allowed-hosts.ts';
import { isEnrolling } from '../../domain/identity/cluster.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { KubernetesApi, OpenApiServer } from '../../ports/kubernetes-api.ts';

interface Opened {
  readonly key: string;
  readonly connection: Extract<ClusterConnection, { readonly type: 'kubernetes' }>;
}

/** The API servers of enrolled clusters. One stays open while its document, its address and its hosts stay; its token is that of memory at each request. */
export class EnrolledConnections {
  readonly #enrolled: EnrolledClusters;
  readonly #connections: ReadonlyMap<string, NamedConnection>;
  readonly #open: OpenApiServer;
  readonly #opened = new Map<string, Opened>();

  constructor(
    enrolled: EnrolledClusters,
    connections: ReadonlyMap<string, NamedConnection>,
    open: OpenApiServer,
  ) {
    this.#enrolled = enrolled;
    this.#connections = connections;
    this.#open = open;
  }

  readonly openDeclared: Enrolling['openDeclared'] = (spec, token): KubernetesApi => {
    const connection = this.#connections.get(spec.connection);
    const isAllowed =
      connection?.type === 'enrolled' &&
      isAllowedHost(connection.hosts, declaredHost(spec.apiServer.url) ?? '');
    if (isAllowed) return this.#open(spec.apiServer, token);
    throw new BrokerError('ERR_CONFLICT', 'the connection of the cluster does not allow its host');
  };

  /** The connection of a cluster; undefined if it has not enrolled, or its connection does not allow its host any more. */
  find(document: StoredDocument<'cluster'>): ClusterConnection | undefined {
    const { name, uid, spec } = document;
    const enrolment = this.#enrolled.find(name);
    const isEnrolled = enrolment?.credential !== undefined && isFor(enrolment, document);
    if (!isEnrolled || !isEnrolling(spec)) {
      this.close(name);
      return undefined;
    }
    const named = this.#connections.get(spec.connection);
    const key = JSON.stringify([uid, enrolment.apiServer, named]);
    const known = this.#opened.get(name);
    if (known?.key === key) return known.connection;
    this.close(name);
    try {
      const api = this.openDeclared(spec, () => this.#enrolled.find(name)?.credential?.token);
      const connection = { type: 'kubernetes', api, isEnrolled: true } as const;
      this.#opened.set(name, { key, connection });
      return connection;
    } catch {
      return undefined;
    }
  }

  /** Reports whether a credential could not be renewed for half of the time that it had left. One that has ended counts until the cluster enrols again. */
  hasLateRenewal(now: number): boolean {
    return this.#enrolled
      .all()
      .some(({ credential }) => credential !== undefined && now > middle(credential));
  }

  /** Closes the connection of a cluster that is gone. */
  close(name: string): void {
    this.#opened.get(name)?.connection.api.close();
    this.#opened.delete(name);
  }
}

function middle({
  renewAt,
  endsAt,
}: {
  readonly renewAt: number;
  readonly endsAt: number;
}): number {
  return renewAt + (endsAt - renewAt) / 2;
}
