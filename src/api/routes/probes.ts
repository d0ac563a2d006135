import type { BrokerStatus } from '../../ports/broker-status.ts';
import type { Metrics } from '../../ports/metrics.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import { instant } from '../../domain/time/instant.ts';
import { JSON_TYPE, PLAIN_TEXT } from '../request/answers.ts';
import type { ActivityCounts } from '../request/activity.ts';
import type { Routes } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

/** Facts about the process that probes and metrics report. */
export interface MachineFacts {
  /** Codes that say why the broker should get no requests now; empty: it is ready. */
  readonly unready: () => readonly string[];
  /** Reasons why the store is held, by kind of row and without names; empty if it is not. */
  readonly held: () => readonly {
    readonly reason: string;
    readonly kind?: string;
    readonly count?: number;
  }[];
  /** Codes of conditions that an operator should change; requests are served nevertheless. */
  readonly warnings: () => readonly string[];
  readonly status: () => Promise<BrokerStatus>;
  /** Logins, reads and refusals of the last minutes. */
  readonly activity: () => ActivityCounts;
  readonly metrics: Metrics;
  /** False if metrics have their own listener. */
  readonly servesMetrics: boolean;
  /** Returns openapi.yaml as JSON text. */
  readonly openApi: () => string;
}

export type MachineRoutes = Pick<
  Routes,
  'readRoot' | 'readHealth' | 'readReadiness' | 'readStatus' | 'readMetrics' | 'readOpenApi'
>;

/** Greeting, the same for every caller, and without the version of the broker, which would help to choose an attack. */
const GREETING = `This is a Quaymaster broker.

  /openapi.json   the API
  /readyz         whether it is ready

Log in from a terminal: quaymaster login --url URL --token-file FILE
`;

/** Probes, metrics and the contract. No answer names a path, a workload or a version. */
export function machineRoutes(facts: MachineFacts): MachineRoutes {
  return {
    readRoot: {
      read: () => () => Promise.resolve({ status: 200, headers: PLAIN_TEXT, body: GREETING }),
    },
    readHealth: { read: () => () => Promise.resolve({ status: 200, body: { status: 'ok' } }) },
    readReadiness: {
      read: () => () => {
        const body = readinessOf(facts);
        return Promise.resolve({ status: body.ready ? 200 : 503, body });
      },
    },
    readStatus: {
      read:
        () =>
        async ({ caller }) => {
          requireAnyRole(caller);
          return { status: 200, body: statusJson(await facts.status(), facts.activity()) };
        },
    },
    readMetrics: {
      read:
        () =>
        async ({ caller }) => {
          requireAnyRole(caller);
          if (!facts.servesMetrics) throw new BrokerError('ERR_NOT_FOUND');
          const headers = ['Content-Type', facts.metrics.contentType];
          return { status: 200, headers, body: await facts.metrics.text() };
        },
    },
    readOpenApi: {
      read: () => () => Promise.resolve({ status: 200, headers: JSON_TYPE, body: facts.openApi() }),
    },
  };
}

/** The answer of `readyz`, at the API and at the listener of metrics. */
export function readinessOf({
  unready,
  held,
  warnings,
}: Pick<MachineFacts, 'unready' | 'held' | 'warnings'>): Shape<'Readiness'> {
  const reasons = unready();
  const [holding, warned] = [held(), warnings()];
  return {
    ready: reasons.length === 0,
    reasons,
    ...(holding.length > 0 && { held: holding }),
    ...(warned.length > 0 && { warnings: warned }),
  };
}

function statusJson(
  { log, certificates, ...rest }: BrokerStatus,
  { age, ...counts }: ActivityCounts,
): Shape<'BrokerStatus'> {
  const { failedArchiveRuns, liveLeases, lastBackup, time, clockAheadMs, backups, watchesDown } =
    rest;
  return {
    time: instant(time),
    clockAheadSeconds: clockAheadMs / 1_000,
    backups,
    watchesDown,
    certificates: certificates.map(({ expiresAt, ...each }) => ({
      ...each,
      expiresAt: instant(expiresAt),
    })),
    log: logJson(log, failedArchiveRuns),
    liveLeases,
    activity: { from: instant(time - age), ...counts },
    ...(lastBackup !== undefined && { lastBackupAt: instant(lastBackup) }),
  };
}

function logJson(log: BrokerStatus['log'], failedArchiveRuns: number): Shape<'LogStatus'> {
  const { checkedAt, archivedAt, sinks, unwitnessedMs, witnesses, ...counts } = log;
  return {
    ...counts,
    ...(checkedAt !== undefined && { checkedAt: instant(checkedAt) }),
    ...(archivedAt !== undefined && { archivedAt: instant(archivedAt) }),
    failedArchiveRuns,
    sinks: sinks.map(({ lag, behindSince, isStopped: stopped, isFailing: failing }) => ({
      lag,
      ...(behindSince !== undefined && { behindSince: instant(behindSince) }),
      stopped,
      failing,
    })),
    unwitnessedSeconds: unwitnessedMs / 1_000,
    witnesses: witnesses.map(({ name, isFailing: failing, isContradicting: contradicts }) => ({
      name,
      failing,
      contradicts,
    })),
  };
}

/** An operator keeps its token after its document lost its grants. @throws ERR_DENIED */
function requireAnyRole({ operator }: LiveOperator): void {
  if (operator.grants.length === 0) {
    throw new BrokerError('ERR_DENIED', undefined, { reason: 'no_role' });
  }
}
