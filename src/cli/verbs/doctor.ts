import { ApiError } from '../../client/index.ts';
import { isUnder } from '../../domain/words/names.ts';
import {
  parseWorkloadId,
  workloadOf,
  WORKLOAD_FORMS,
  type Account,
} from '../../domain/identity/workload.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { abortedBy, allPages, type Broker } from '../connection/broker.ts';
import { sourceOf } from '../connection/source.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { EXIT, UsageError, type ExitCode } from '../kernel/errors.ts';
import { coloured } from '../output/output.ts';
import { printable } from '../output/printable.ts';
import { questionWorkload } from '../policy-test/evaluate.ts';
import {
  checkMount,
  readIfAllowed,
  readInTime,
  readMounts,
  readSeal,
  readStatus,
  silenceOf,
  type Mount,
  type LogStatus,
} from './health-checks.ts';
import {
  certificateFindings,
  sinkFindings,
  type TimedFinding,
} from '../reports/broker-findings.ts';
import { accounts, broadPolicies, listener, type Finding } from '../reports/findings.ts';
import { isReadiness, noAnswer, readinessFindings } from './readiness-findings.ts';
import { distance } from '../kernel/time.ts';

interface DoctorOptions {
  readonly as?: string;
}

/**
 * Checks an installation, or for one path everything from login to backend. `local` are the findings about the files of a configuration.
 * @returns 1 if there is a problem
 */
export async function runDoctor(
  context: CliContext,
  { args: [path], options: { as } }: Call<DoctorOptions>,
  local: readonly Finding[] = [],
): Promise<ExitCode> {
  if ((path === undefined) !== (as === undefined)) {
    throw new UsageError(`a path needs --as ${WORKLOAD_FORMS}, and --as needs a path`);
  }
  const broker = await context.broker();
  const check = (asked: Broker): Promise<readonly Finding[]> =>
    path === undefined || as === undefined
      ? installation(context, asked)
      : pathChecks(asked, path, as);
  const findings = [...local, ...(await checksOf(context, broker, check))];
  await context.output.show({ findings }, () => findings.flatMap(linesOf).join('\n'));
  return findings.some(({ state }) => state === 'problem') ? EXIT.failed : EXIT.done;
}

const MARKS = {
  ok: coloured('green', 'ok      '),
  warning: coloured('yellow', 'WARNING '),
  problem: coloured('red', 'PROBLEM '),
  unknown: 'unknown ',
};

function linesOf({ about, state, text, cure }: Finding): readonly string[] {
  const head = `${MARKS[state]} ${printable(about)}: ${printable(text)}`;
  return cure === undefined ? [head] : [head, `          cure: ${printable(cure)}`];
}

/** Time for all checks of a broker that refuses requests: each of them would be repeated until it is served. */
const UNREADY_MS = 1_800;

/** Asks the broker how it is, and checks the rest as far as it can answer. */
async function checksOf(
  { clock }: CliContext,
  broker: Broker,
  check: (asked: Broker) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  const readiness = await broker.call('readReadiness').then(
    ({ body }) => body,
    (error: unknown) => error,
  );
  if (!isReadiness(readiness)) return [noAnswer(readiness)];
  const first = readinessFindings(readiness);
  if (readiness.ready) return [...first, ...(await check(broker))];
  const silence = silenceOf(readiness);
  if (silence !== undefined) {
    const text = (await readSeal(broker, readiness)) ?? silence;
    return [...first, { about: 'everything else', state: 'unknown', text }];
  }
  const rest = await withDeadline(clock, UNREADY_MS, (signal) => check(abortedBy(broker, signal)));
  return [...first, ...rest];
}

/** Runs a check. If the caller may not see its facts, the finding states that. */
async function runCheck(
  about: string,
  check: () => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  const result = await readInTime(check);
  return 'value' in result ? result.value : [{ about, state: 'unknown', text: result.unseen }];
}

async function installation(
  { clock, target }: CliContext,
  broker: Broker,
): Promise<readonly Finding[]> {
  const { url } = (await target()).profile;
  return [
    listener(url),
    ...(await runCheck('clock', () => compareClocks(broker, clock.now()))),
    ...(await runCheck('clusters', () => clusterFindings(broker))),
    ...(await runCheck('backup', () => backupFindings(broker, clock.now()))),
    ...(await runCheck('policies', () => broadPolicies(sourceOf(broker)))),
    ...(await runCheck('operators', () => accounts(sourceOf(broker)))),
    ...(await runCheck('certificates', () => certificates(broker, clock.now()))),
    ...(await runCheck('audit log', () => logFindings(broker, clock.now()))),
    ...(await runCheck('audit archive', () => archiveFindings(broker, clock.now()))),
    ...(await runCheck('mounts', () => mountHealth(broker))),
  ];
}

const MOST_SKEW_MS = 30_000;

/** Compares the clocks: tokens and leases expire by the time of the broker, which may be ahead of its system clock. */
async function compareClocks(broker: Broker, now: number): Promise<readonly Finding[]> {
  const { time, clockAheadSeconds } = await readStatus(broker);
  const about = 'clock';
  const skew = Math.abs(Date.parse(time) - now);
  if (skew <= MOST_SKEW_MS) return [{ about, state: 'ok', text: 'agrees with this machine' }];
  const text = `the time of the broker differs from this machine by ${Math.round(skew / 1000)} s`;
  const cure =
    clockAheadSeconds * 1000 > MOST_SKEW_MS
      ? 'its system clock was ahead: docs/operations.md, "A clock that was set back"'
      : 'synchronise both clocks with NTP';
  return [{ about, state: 'problem', text, cure }];
}

async function clusterFindings(broker: Broker): Promise<readonly Finding[]> {
  const { watchesDown = [] } = await readStatus(broker);
  if (watchesDown.length === 0)
    return [{ about: 'clusters', state: 'ok', text: 'no watch is down' }];
  return watchesDown.map(({ cluster, connection, resource, status }) => ({
    about: `cluster "${cluster}"`,
    state: 'problem',
    text: `the watch of ${resource} is ${status}; connection "${connection}"`,
    cure: 'check the API server and the rights of the connection: docs/operations.md, "A stale pod watch"',
  }));
}

async function backupFindings(broker: Broker, now: number): Promise<readonly Finding[]> {
  const about = 'backup';
  const { backups, lastBackupAt } = await readStatus(broker);
  if (backups === 'elsewhere')
    return [
      {
        about,
        state: 'unknown',
        text: 'the broker makes none, because the configuration has no section "backup"; it does not know of backups by PostgreSQL\'s own tools',
      },
    ];
  if (backups === 'unknown')
    return [{ about, state: 'unknown', text: 'not looked for, because the store is held' }];
  const last = lastBackupAt === undefined ? undefined : Date.parse(lastBackupAt);
  const cure = 'docs/upgrade-and-backup.md, "Backing up the store"';
  // Without the section, the store may be copied by other means.
  const lacks = backups === 'none' ? 'warning' : 'problem';
  if (last === undefined) return [{ about, state: lacks, text: 'the broker made none', cure }];
  const text = `the newest was made ${distance(last, now)}`;
  return [
    {
      about,
      ...(now - last > OLD_BACKUP_MS ? { state: 'problem', text, cure } : { state: 'ok', text }),
    },
  ];
}

/** Limit of the alert QuaymasterBackupOld. */
const OLD_BACKUP_MS = 2 * 86_400_000;

/** The certificates in files of the broker's configuration. */
async function certificates(broker: Broker, now: number): Promise<readonly Finding[]> {
  const { certificates: all } = await readStatus(broker);
  const about = 'certificates';
  if (all === undefined)
    return [{ about, state: 'unknown', text: 'this release of the broker does not report them' }];
  const found = certificateFindings(all);
  if (found.length > 0) return found.map((each) => dated(each, now));
  const [first] = all;
  const next = first && `; the first expires ${distance(Date.parse(first.expiresAt), now)}`;
  return [{ about, state: 'ok', text: `${all.length}, none expires soon${next ?? ''}` }];
}

/** Adds the time of a finding to its text. */
function dated({ at, text, ...finding }: TimedFinding, now: number, since = ''): Finding {
  const when = at && ` (${since}${distance(Date.parse(at), now)})`;
  return { ...finding, text: `${text}${when ?? ''}` };
}

/** Limit of the alert QuaymasterAuditNotWitnessed. */
const MOST_UNWITNESSED_SECONDS = 900;

/** The log, its sinks and its witnesses. */
async function logFindings(broker: Broker, now: number): Promise<readonly Finding[]> {
  const status = await readStatus(broker);
  const { log } = status;
  const sinks = sinkFindings(status).map((each) => dated(each, now, 'since '));
  return [logFinding(log), ...sinks, ...witnessFindings(log)];
}

function logFinding({ entries, brokenChains, damagedEntries, sinks }: LogStatus): Finding {
  const about = 'audit log';
  if (brokenChains + damagedEntries > 0) {
    const cure = 'docs/operations.md, "Damage in the audit log"';
    return { about, state: 'problem', text: 'entries do not verify', cure };
  }
  if (sinks.length === 0) {
    const cure = 'set audit.sinks in the configuration, so that entries are also kept elsewhere';
    return { about, state: 'warning', text: 'no sink receives the entries', cure };
  }
  const most = Math.max(...sinks.map(({ lag = 0 }) => lag));
  return { about, state: 'ok', text: `${entries} entries; sinks are at most ${most} behind` };
}

/** Reports findings about witnesses; none without witnesses. */
function witnessFindings({
  witnesses,
  witnessedEntries,
  unwitnessedSeconds,
}: LogStatus): readonly Finding[] {
  if (witnesses.length === 0) return [];
  const late = Math.round(unwitnessedSeconds);
  const about = 'witnesses';
  const cure = 'docs/audit.md, "Witnesses"; the log of the broker has the reason';
  const failing = witnesses.flatMap(({ name, contradicts, failing }): readonly Finding[] => {
    const named = `witness "${name}"`;
    if (contradicts)
      return [{ about: named, state: 'problem', text: 'contradicts the log, or itself', cure }];
    return failing ? [{ about: named, state: 'warning', text: 'gives no cosignature', cure }] : [];
  });
  if (late <= MOST_UNWITNESSED_SECONDS)
    return [
      { about, state: 'ok', text: `enough of them cosigned ${witnessedEntries} entries` },
      ...failing,
    ];
  const text = `no checkpoint of the last ${late} s has enough cosignatures`;
  return [{ about, state: 'warning', text, cure }, ...failing];
}

/**
 * Limit of entries that are due. A run takes all entries that are older than the time to keep: so many are late only if runs do
 * not happen.
 */
const MOST_DUE = 100_000;
const FAILED = 'docs/operations.md, "A failed archive run"';

/** Reports the last run of the archive, the entries that it has not archived yet, and a directory or bucket that cannot be reached. */
async function archiveFindings(broker: Broker, now: number): Promise<readonly Finding[]> {
  const about = 'audit archive';
  const { place, keepDays = 0, truncation, run } = (await broker.call('readArchive')).body;
  if (place === undefined)
    return [{ about, state: 'ok', text: 'not configured: the store keeps the whole log' }];
  if (run?.state === 'failed') {
    const text = `${place}: the last run failed: ${run.error ?? 'unknown reason'}`;
    return [{ about, state: 'problem', text, cure: FAILED }];
  }
  const last =
    truncation === undefined
      ? 'nothing is archived yet'
      : `the last run was ${distance(Date.parse(truncation.time), now)}`;
  const due = await readIfAllowed(
    async () =>
      (await broker.call('archiveAudit', { body: { reason: 'doctor', dryRun: true } })).body,
  );
  if ('unseen' in due) return [{ about, state: 'ok', text: `${place}: ${last}` }];
  const { total, limitedBy } = due.value;
  const text = `${place}: ${last}; ${total} entries are older than ${keepDays} days`;
  if (limitedBy === 'sink')
    return [
      {
        about,
        state: 'warning',
        text: `${text}; a sink that lags keeps older ones`,
        cure: 'docs/audit.md, "Sinks"',
      },
    ];
  if (total <= MOST_DUE) return [{ about, state: 'ok', text }];
  const cure = 'set audit.archive.intervalHours, or run: quaymaster audit archive --reason TEXT';
  return [{ about, state: 'warning', text, cure }];
}

async function mountHealth(broker: Broker): Promise<readonly Finding[]> {
  const mounts = await readMounts(broker);
  return Promise.all(mounts.map((mount) => checkHealth(broker, mount)));
}

async function checkHealth(broker: Broker, { name }: Mount): Promise<Finding> {
  const about = `mount "${name}"`;
  const { healthy, findings } = await checkMount(broker, name);
  if (healthy) return { about, state: 'ok', text: 'the backend allows what the mount needs' };
  const [text = 'not healthy', ...more] = findings;
  return {
    about,
    state: 'problem',
    text,
    cure: more.join('; ') || `quaymaster mount check ${name}`,
  };
}

/** Checks a path from login to backend, in the order in which the broker decides. */
async function pathChecks(broker: Broker, path: string, as: string): Promise<readonly Finding[]> {
  const account = parseWorkloadId(as);
  if (account === undefined) throw new UsageError(`--as must be ${WORKLOAD_FORMS}`);
  const { cluster } = account;
  return [
    ...(await runCheck('login', () => clusterCheck(broker, cluster))),
    ...(await runCheck('policies', () => decision(broker, path, account))),
    ...(await runCheck('mount', () => mountAndSecret(broker, path))),
    ...(await runCheck('last refusal', () => lastRefusal(broker, path, as))),
  ];
}

async function clusterCheck(broker: Broker, cluster: string): Promise<readonly Finding[]> {
  const about = 'login';
  const names = (await allPages(broker, 'listClusters', { query: { limit: 1000 } })).map(
    ({ name }) => name,
  );
  if (names.includes(cluster)) {
    return [{ about, state: 'ok', text: `cluster "${cluster}" is registered` }];
  }
  const text = `no cluster "${cluster}" is registered; clusters: ${names.join(', ') || 'none'}`;
  return [
    { about, state: 'problem', text, cure: 'register it: quaymaster apply -f FILE (kind Cluster)' },
  ];
}

async function decision(
  broker: Broker,
  path: string,
  account: Account,
): Promise<readonly Finding[]> {
  const about = 'policies';
  const { body } = await broker.call('explainDecision', {
    body: {
      workload: questionWorkload(workloadOf(account)),
      capability: 'read',
      path,
      sourceAddress: '127.0.0.1',
    },
  });
  const [text = ''] = body.lines;
  const cure =
    'quaymaster policy explain shows the near misses; change the policy with: quaymaster policy apply';
  const isAllowed = body.decision.effect === 'allow';
  const blocks = body.blocks.map((block): Finding => ({
    about: 'blocked',
    state: 'problem',
    text: JSON.stringify(block),
    cure: 'quaymaster quarantine ls, then quaymaster quarantine lift ID; an ended pod needs a new one',
  }));
  return [
    isAllowed ? { about, state: 'ok', text } : { about, state: 'problem', text, cure },
    ...blocks,
  ];
}

async function mountAndSecret(broker: Broker, path: string): Promise<readonly Finding[]> {
  const mounts = await readMounts(broker);
  const mount = mounts.find(({ document: { prefix } }) => prefix !== path && isUnder(path, prefix));
  if (mount === undefined) {
    const prefixes = mounts.map(({ document: { prefix } }) => prefix).join(', ') || 'none';
    const text = `no mount covers the path; mounts: ${prefixes}`;
    return [
      {
        about: 'mount',
        state: 'problem',
        text,
        cure: 'attach one: quaymaster apply -f FILE (kind Mount)',
      },
    ];
  }
  return [
    await checkHealth(broker, mount),
    ...(await runCheck('secret', () => secretCheck(broker, path))),
  ];
}

async function secretCheck(broker: Broker, path: string): Promise<readonly Finding[]> {
  const about = 'secret';
  const definition = await orAbsent(() => broker.call('readDefinition', { path: { path } }));
  if (definition?.body.document.class === 'dynamic') {
    return [
      {
        about,
        state: 'ok',
        text: 'the path issues dynamic credentials: quaymaster credential, not get',
      },
    ];
  }
  const state = await readSecretState(broker, path);
  if (state === 'current') return [{ about, state: 'ok', text: 'exists' }];
  if (state === 'deleted') {
    const cure = `restore it: quaymaster undelete ${path}`;
    return [{ about, state: 'problem', text: `"${path}" was deleted`, cure }];
  }
  const cure = `create it at its backend, or: quaymaster put ${path}`;
  return [{ about, state: 'problem', text: `"${path}" does not exist`, cure }];
}

/**
 * Finds the state of a path. Only mounts of the embedded store have versions at the broker; at other backends the names beside
 * the path are listed.
 */
async function readSecretState(
  broker: Broker,
  path: string,
): Promise<'current' | 'deleted' | undefined> {
  try {
    const { body } = await broker.call('listSecretVersions', { path: { path } });
    const states = body.items.map(({ state }) => state);
    return (['current', 'deleted'] as const).find((each) => states.includes(each));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) return undefined;
    if (error.status !== 409) throw error;
  }
  const prefix = path.slice(0, path.lastIndexOf('/'));
  for await (const item of broker.pages('listSecrets', { query: { prefix, limit: 1000 } })) {
    if (item.path === path) return 'current';
  }
  return undefined;
}

async function lastRefusal(
  broker: Broker,
  path: string,
  workload: string,
): Promise<readonly Finding[]> {
  const query = { path, workload, outcome: 'deny' as const, limit: 1 };
  const [last] = (await broker.call('searchAudit', { query })).body.items;
  if (last === undefined) return [];
  const { time, code, reason } = last.entry as { time?: string; code?: string; reason?: string };
  const text = `${time ?? ''}: ${code ?? ''} ${reason ?? ''}`;
  return [
    { about: 'last refusal', state: 'warning', text, cure: 'docs/errors.md explains the code' },
  ];
}

async function orAbsent<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}
