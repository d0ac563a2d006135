import { collectDefaultMetrics, Counter, Gauge, type Registry } from 'prom-client';
import type { ApiServer } from '../api/server/server.ts';
import { registerDurations } from '../api/server/tallied-histogram.ts';
import { UNREVOKED } from '../broker/kernel/credential-states.ts';
import { WATCHED_OUTCOMES } from '../broker/posture/watched-reports.ts';
import type { Storage, Values } from '../broker/state/dependencies.ts';
import { registerAudit } from './audit-gauges.ts';
import {
  registerAlerts,
  registerApprovals,
  registerContainers,
  registerKeks,
} from './security-gauges.ts';
import type { RunningBroker } from '../compose/broker.ts';
import type { ConfigReload } from '../compose/configuration/config-reload.ts';
import { readCertificate } from '../crypto/certificates/certificate-facts.ts';
import type { ObjectState } from '../compose/clusters/cluster-documents.ts';
import { registerRotations } from './rotation-gauges.ts';
import { CREDENTIALS, LEASES } from '../ports/queries.ts';

const OBJECT_STATES: readonly ObjectState[] = ['accepted', 'refused', 'failed'];

/** Registers the gauges of the broker's parts. They show counts and states but no names, because any client may scrape metrics. */
export function registerGauges(
  registry: Registry,
  broker: RunningBroker,
  unready: () => readonly string[],
): void {
  const { parts, trail } = broker;
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  new Gauge({
    name: 'quaymaster_ready',
    help: '1 while requests are served',
    registers,
    collect() {
      this.set(unready().length === 0 ? 1 : 0);
    },
  });
  registerAudit(registers, trail);
  registerArchive(registers, broker);
  registerWatches(registers, broker);
  registerCustomResources(registers, broker);
  registerSpace(registers, broker);
  registerBackups(registers, broker);
  registerHoldings(registers, parts);
  registerApprovals(registers, parts);
  registerAlerts(registers, parts);
  registerContainers(registers, parts);
  registerKeks(registers, parts);
  registerRotations(registers, parts);
  registerCalls(registry, broker);
  registerCircuits(registers, broker);
  registerCache(registers, parts);
  registerDecisions(registry, broker);
}

const STATUSES = ['off', 'starting', 'live', 'stale'] as const;

function registerWatches(registers: Registry[], { clusters }: RunningBroker): void {
  new Gauge({
    name: 'quaymaster_pod_watches',
    help: 'Registered clusters by the state of their pod watch; stale ones need an operator',
    labelNames: ['status'],
    registers,
    collect() {
      const statuses = [...clusters.watches().values()];
      for (const status of STATUSES) {
        this.set({ status }, statuses.filter((own) => own === status).length);
      }
    },
  });
  new Gauge({
    name: 'quaymaster_cluster_watches',
    help: 'Watches of other objects than pods, by resource and state',
    labelNames: ['resource', 'status'],
    registers,
    collect() {
      this.reset();
      for (const [resource, status] of clusters.resourceWatches()) this.inc({ resource, status });
    },
  });
  new Counter({
    name: 'quaymaster_watched_reports_total',
    help: 'Reports of the Trivy Operator that this process read, by outcome',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset();
      const counts = clusters.watchedReports();
      for (const outcome of WATCHED_OUTCOMES) this.inc({ outcome }, counts.get(outcome) ?? 0);
    },
  });
}

/** The certificate of the API listener. */
export function registerCertificate(registry: Registry, server: ApiServer): void {
  const registers = [registry];
  if (server.certificate === undefined) return;
  new Gauge({
    name: 'quaymaster_tls_certificate_expires_timestamp_seconds',
    help: 'When the certificate of the API listener expires',
    registers,
    collect() {
      this.set((readCertificate(server.certificate ?? '')?.notAfter ?? 0) / 1_000);
    },
  });
  new Gauge({
    name: 'quaymaster_tls_reload_failed',
    help: '1 while the certificate files of the API listener cannot be used and an earlier certificate is in use',
    registers,
    collect() {
      this.set(server.hasTlsFailed ? 1 : 0);
    },
  });
}

/** The configuration in use. Its digest is not a label: it would make a series for each change. */
export function registerConfiguration(registry: Registry, reload: ConfigReload): void {
  const registers = [registry];
  new Gauge({
    name: 'quaymaster_config_reload_failed',
    help: '1 if the last reload of the configuration failed; the configuration before it is in use',
    registers,
    collect() {
      this.set(reload.inUse().failure === undefined ? 0 : 1);
    },
  });
  new Gauge({
    name: 'quaymaster_config_generation',
    help: 'Configurations used since the start; each reload that changes a setting adds 1',
    registers,
    collect() {
      this.set(reload.inUse().generation);
    },
  });
  new Gauge({
    name: 'quaymaster_config_loaded_timestamp_seconds',
    help: 'When the configuration in use was read',
    registers,
    collect() {
      this.set(reload.inUse().loadedAt / 1_000);
    },
  });
}

/** Calls at each connection of the configuration file. The names are the operator's own, so their number is bounded. */
function registerCalls(registry: Registry, { calls }: RunningBroker): void {
  new Counter({
    name: 'quaymaster_backend_calls_total',
    help: 'Finished calls by connection and result: ok or the code of the error',
    labelNames: ['connection', 'result'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [connection, stateOf] of calls) {
        for (const [result, count] of stateOf().results) this.inc({ connection, result }, count);
      }
    },
  });
  registerDurations(
    registry,
    {
      name: 'quaymaster_backend_call_duration_seconds',
      help: 'Seconds of a call at a connection, with its retries and its wait for a free place',
      labelNames: ['connection'],
    },
    () =>
      [...calls].map(([connection, stateOf]) => ({
        labels: { connection },
        durations: stateOf().durations,
      })),
  );
}

function registerCircuits(registers: Registry[], { calls }: RunningBroker): void {
  new Gauge({
    name: 'quaymaster_backend_circuit_open',
    help: '1 while the circuit of a connection is open or probes: its backend fails, and calls are refused at once',
    labelNames: ['connection'],
    registers,
    collect() {
      for (const [connection, stateOf] of calls) {
        this.set({ connection }, stateOf().circuit === 'closed' ? 0 : 1);
      }
    },
  });
  new Gauge({
    name: 'quaymaster_backend_calls_in_flight',
    help: 'Calls in progress and calls that wait for a free place, by connection',
    labelNames: ['connection', 'state'],
    registers,
    collect() {
      for (const [connection, stateOf] of calls) {
        const { inFlight, queued } = stateOf();
        this.set({ connection, state: 'running' }, inFlight);
        this.set({ connection, state: 'waiting' }, queued);
      }
    },
  });
}

function registerCache(registers: Registry[], { values }: Pick<Values, 'values'>): void {
  new Counter({
    name: 'quaymaster_value_cache_reads_total',
    help: 'Reads of current values by connection: hit if memory answered, miss if the backend had to',
    labelNames: ['connection', 'result'],
    registers,
    collect() {
      this.reset();
      for (const [connection, { hits, misses }] of values.tallies) {
        this.inc({ connection, result: 'hit' }, hits);
        this.inc({ connection, result: 'miss' }, misses);
      }
    },
  });
}

function registerDecisions(registry: Registry, { refused, commits }: RunningBroker): void {
  new Counter({
    name: 'quaymaster_refusals_total',
    help: 'Refused and failed actions by the action of the audit log, code and reason; logins are session.create',
    labelNames: ['action', 'code', 'reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { action, code, reason, count } of refused.all()) {
        this.inc({ action, code, reason }, count);
      }
    },
  });
  registerDurations(
    registry,
    {
      name: 'quaymaster_commit_duration_seconds',
      help: 'Seconds of a transaction of the store until it is durable',
      labelNames: [],
    },
    () => [{ labels: {}, durations: commits }],
  );
}

function registerBackups(registers: Registry[], broker: RunningBroker): void {
  new Gauge({
    name: 'quaymaster_backup_completed_timestamp_seconds',
    help: 'When the newest backup of the store was made; 0 if there is none',
    registers,
    collect() {
      this.set((broker.lastBackup() ?? 0) / 1_000);
    },
  });
}

/** The archive of the log. Any replica may have archived. */
function registerArchive(registers: Registry[], { trail, archives }: RunningBroker): void {
  new Gauge({
    name: 'quaymaster_audit_archived_entries',
    help: 'Entries at the beginning of the log that are archived; the store has the others',
    registers,
    async collect() {
      this.set((await trail.reader.truncation())?.end ?? 0);
    },
  });
  new Gauge({
    name: 'quaymaster_audit_archive_completed_timestamp_seconds',
    help: 'When the newest truncation of the audit log was signed; 0 if there is none',
    registers,
    async collect() {
      const truncation = await trail.reader.truncation();
      this.set(truncation === undefined ? 0 : Date.parse(truncation.time) / 1000);
    },
  });
  new Counter({
    name: 'quaymaster_audit_archive_failures_total',
    help: 'Failed runs of the archive of the audit log in this process',
    registers,
    collect() {
      this.reset();
      this.inc(archives?.failures ?? 0);
    },
  });
}

/** Gauges of the scrubber, which reads the whole log. */
function registerSpace(registers: Registry[], broker: RunningBroker): void {
  new Gauge({
    name: 'quaymaster_store_checked_rows',
    help: 'Rows that the check of the indexes in progress, or the last one, has looked up; SQLite only',
    registers,
    collect() {
      this.set(broker.indexes().rows);
    },
  });
  new Gauge({
    name: 'quaymaster_store_check_completed_timestamp_seconds',
    help: 'When the last complete check of the indexes ended; 0 before the first in this process',
    registers,
    collect() {
      this.set((broker.indexes().completedAt ?? 0) / 1000);
    },
  });
  new Gauge({
    name: 'quaymaster_store_used_bytes',
    help: 'Used on the volume of the SQLite store, or by the PostgreSQL database',
    registers,
    collect() {
      this.set(broker.space()?.usedBytes ?? 0);
    },
  });
  new Gauge({
    name: 'quaymaster_store_free_bytes',
    help: 'Left on the volume of the SQLite store, or of store.maxBytes; +Inf where no limit is known',
    registers,
    collect() {
      const { usedBytes = 0, limitBytes = Number.POSITIVE_INFINITY } = broker.space() ?? {};
      this.set(Math.max(0, limitBytes - usedBytes));
    },
  });
}

/** Current numbers of stored objects, counted in the store at each scrape. */
function registerHoldings(registers: Registry[], { store }: Pick<Storage, 'store'>): void {
  new Gauge({
    name: 'quaymaster_credentials',
    help: 'Dynamic credentials by state; irrevocable ones need an operator',
    labelNames: ['state'],
    registers,
    async collect() {
      for (const state of UNREVOKED) {
        this.set({ state }, await store.count(CREDENTIALS.inState(state)));
      }
    },
  });
  new Gauge({
    name: 'quaymaster_leases_live',
    help: 'Live leases',
    registers,
    async collect() {
      this.set(await store.count(LEASES.live()));
    },
  });
}

function registerCustomResources(registers: Registry[], broker: RunningBroker): void {
  new Gauge({
    name: 'quaymaster_custom_resources',
    help: 'Custom resources of Kubernetes by cluster and state: accepted, refused, or failed and retried; 0 in brokers that do not copy them. held: documents that are kept without their resource',
    labelNames: ['cluster', 'state'],
    registers,
    collect() {
      for (const each of broker.clusterDocuments) {
        for (const state of OBJECT_STATES)
          this.set({ cluster: each.cluster, state }, each.count(state));
        this.set({ cluster: each.cluster, state: 'held' }, each.held);
      }
    },
  });
}
