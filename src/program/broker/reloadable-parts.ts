import type { LimitsConfig } from '../../api/config.ts';
import type { BoundConnection } from '../../broker/state/connections.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { AuditTrail } from '../log/audit-trail.ts';
import type { ClusterRegistry } from '../clusters/cluster-registry.ts';
import { NO_CHANGE, reloadable } from '../../ports/configuration.ts';
import type { Reloadable } from './config-reload.ts';
import type { OpenedConnections } from '../connections/connections.ts';
import type { Features, Parts } from '../../features/feature.ts';
import type { ConfiguredPeople } from '../connections/people.ts';
import type { RefusalTallies } from '../log/refusal-tallies.ts';

export interface ReloadedParts {
  readonly parts: Parts;
  readonly features: Pick<Features, 'reloadable'>;
  readonly connections: OpenedConnections;
  readonly clusters: ClusterRegistry;
  readonly tallies: RefusalTallies;
  readonly people: ConfiguredPeople;
  readonly limits: LimitsConfig;
  readonly trail: AuditTrail;
  /** The built-in connection, which no configuration changes. */
  readonly embedded: BoundConnection;
}

/** The parts of a running broker that a reload changes. */
export function reloadableParts(reloaded: ReloadedParts): readonly Reloadable[] {
  const { tallies, people, limits, trail } = reloaded;
  return [
    reloadableConnections(reloaded),
    reloadable((next) => tallies.limit(next.audit)),
    reloadable((next) => people.use(next.people)),
    ...reloaded.features.reloadable,
    reloadable((next) => replaceLimits(limits, next.limits)),
    reloadable((next) => trail.replaceSinks(next.audit)),
    reloadable((next) => trail.notify(next.notifications)),
  ];
}

function reloadableConnections(reloaded: ReloadedParts): Reloadable {
  const { parts, connections, clusters, embedded } = reloaded;
  return {
    async prepare(next) {
      if (parts.keyring.isSealed) throw new BrokerError('ERR_SEALED');
      const change = await connections.prepare(next);
      if (!change.isChange) return NO_CHANGE;
      return {
        discard: () => change.discard(),
        apply() {
          change.apply();
          parts.connections.replace([embedded, ...connections.providers]);
          parts.targets.replace(connections.targets);
          // The connection may now lead to another backend, or to fewer locators of it.
          parts.values.clear();
          clusters.reconnect(parts.catalog.all('cluster'));
          warnOfMissing(reloaded);
        },
      };
    },
  };
}

/** Mounts without their connection answer 503 until the connection is in the file again. */
function warnOfMissing({ parts }: ReloadedParts): void {
  const mounts = parts.catalog
    .all('mount')
    .filter(({ spec }) => parts.connections.find(spec.connection) === undefined)
    .map(({ name, spec }) => `${name} (connection ${spec.connection})`);
  if (mounts.length > 0) {
    parts.log.warn(
      { mounts },
      'these mounts name connections that the configuration does not have',
    );
  }
}

/** Changes the object that the parts read, with the rates inside it. */
function replaceLimits(limits: LimitsConfig, next: LimitsConfig): void {
  const { identityRate, denialRate, loginRate, addressRate, alertRate } = limits;
  Object.assign(limits, next, {
    identityRate: Object.assign(identityRate, next.identityRate),
    denialRate: Object.assign(denialRate, next.denialRate),
    loginRate: Object.assign(loginRate, next.loginRate),
    addressRate: Object.assign(addressRate, next.addressRate),
    alertRate: Object.assign(alertRate, next.alertRate),
  });
}
