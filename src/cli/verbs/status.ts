import {
  conditionText,
  cureOf,
  HELD,
  UNREADY,
  WARNINGS,
  type Condition,
} from '../../domain/conditions.ts';
import { abortedBy, allPages, askedOnce, type Broker } from '../connection/broker.ts';
import type { CliContext } from '../connection/context.ts';
import { certificateFindings } from '../reports/broker-findings.ts';
import { counted } from '../kernel/count.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { EXIT, Failed, type ExitCode } from '../kernel/errors.ts';
import { coloured } from '../output/output.ts';
import { printable } from '../output/printable.ts';
import { distance } from '../kernel/time.ts';
import type { ConfigurationInUse } from './reload.ts';
import {
  checkMount,
  readMounts,
  readStatus,
  readInTime,
  readSeal,
  silenceOf,
  type BrokerStatus,
  type IfAllowed,
  type Readiness,
} from './health-checks.ts';

interface MountHealth {
  readonly name: string;
  readonly prefix: string;
  readonly connection: string;
  readonly healthy: boolean;
  readonly findings: readonly string[];
}

interface Status {
  readonly url: string;
  readonly readiness: Readiness;
  /** Answer of a sealed broker. */
  readonly seal?: string | undefined;
  readonly configuration: IfAllowed<ConfigurationInUse>;
  readonly mounts: IfAllowed<readonly MountHealth[]>;
  readonly rotations: IfAllowed<Rotations>;
  readonly revocations: IfAllowed<Revocations>;
  /** Clock, backups and clusters. */
  readonly self: IfAllowed<Self>;
  readonly audit: IfAllowed<AuditState>;
}

interface AuditState {
  readonly entries: number;
  /** Number of these entries that are archived. */
  readonly archived: number;
  /** Milliseconds since the epoch of the newest archive run that archived entries; 0 if there is none. */
  readonly archivedAt: number;
  /** Number of failed runs in the process that answers. */
  readonly failedArchiveRuns: number;
  readonly brokenChains: number;
  readonly damagedEntries: number;
  readonly sinks: readonly {
    readonly sink: number;
    readonly lag: number;
    readonly behindSince?: string | undefined;
    readonly stopped: boolean;
    readonly failing: boolean;
  }[];
  readonly witnessedEntries: number;
  /** Seconds since the newest witnessed checkpoint; 0 if it covers every entry. */
  readonly unwitnessedSeconds: number;
  readonly witnesses: readonly {
    readonly witness: string;
    readonly failing: boolean;
    readonly contradicts: boolean;
  }[];
  readonly liveLeases: number;
}

interface Rotations {
  readonly parked: readonly string[];
  readonly overdue: readonly string[];
}

/** Credentials that a backend still has to revoke, and those that need an operator. */
interface Revocations {
  readonly revoking: number;
  readonly irrevocable: number;
}

/** Time for all answers together: this is the screen of an outage, so a slow part is shown as missing, and nothing is retried. */
const STATUS_MS = 1_800;

/** Shows the state of the broker on one screen, within two seconds. @returns 1 if something needs an operator, or could not be seen */
export async function runStatus(context: CliContext): Promise<ExitCode> {
  const { clock, output } = context;
  const opened = await context.broker();
  const { url } = (await context.target()).profile;
  const status = await withDeadline(clock, STATUS_MS, (signal) =>
    readParts(askedOnce(abortedBy(opened, signal)), url),
  );
  await output.show(status, () => linesOf(status, clock.now()).join('\n'));
  return problemsIn(status) ? EXIT.failed : EXIT.done;
}

/** @throws UnreachableError */
async function readParts(broker: Broker, url: string): Promise<Status> {
  const readiness = await broker.call('readReadiness').then(
    ({ body }) => body,
    (error: unknown) => {
      if ((error as Error).name !== 'TimeoutError') throw error;
      throw new Failed(`${url} gave no answer in ${STATUS_MS / 1000} s`, EXIT.unreachable);
    },
  );
  const silence = silenceOf(readiness);
  const seal = await readSeal(broker, readiness);
  const read = <T>(part: () => Promise<T>): Promise<IfAllowed<T>> =>
    silence === undefined ? readInTime(part) : Promise.resolve({ unseen: silence });
  const [configuration, mounts, rotations, revocations, self] = await Promise.all([
    read(async () => (await broker.call('readConfiguration')).body),
    read(() => checkMounts(broker)),
    read(() => listRotations(broker)),
    read(() => countRevocations(broker)),
    read(() => readStatus(broker)),
  ]);
  const audit = 'value' in self ? { value: auditState(self.value) } : self;
  return { url, readiness, seal, configuration, mounts, rotations, revocations, self, audit };
}

async function checkMounts(broker: Broker): Promise<readonly MountHealth[]> {
  const mounts = await readMounts(broker);
  return Promise.all(
    mounts.map(async ({ name, document: { prefix, connection } }) => {
      const { healthy, findings } = await checkMount(broker, name);
      return { name, prefix, connection, healthy, findings };
    }),
  );
}

async function listRotations(broker: Broker): Promise<Rotations> {
  const list = (query: object): Promise<readonly string[]> =>
    allPages(broker, 'listRotations', { query: { ...query, limit: 1000 } }).then((items) =>
      items.map(({ path }) => path),
    );
  return { parked: await list({ state: 'parked' }), overdue: await list({ overdue: true }) };
}

async function countRevocations(broker: Broker): Promise<Revocations> {
  const count = (state: string): Promise<number> =>
    allPages(broker, 'listRevocations', { query: { state, limit: 1000 } }).then(
      ({ length }) => length,
    );
  return { revoking: await count('revoking'), irrevocable: await count('irrevocable') };
}

function auditState({ log, liveLeases }: BrokerStatus): AuditState {
  const { archivedEntries, archivedAt, sinks, witnesses } = log;
  return {
    entries: log.entries,
    archived: archivedEntries,
    archivedAt: archivedAt === undefined ? 0 : Date.parse(archivedAt),
    failedArchiveRuns: log.failedArchiveRuns,
    brokenChains: log.brokenChains,
    damagedEntries: log.damagedEntries,
    sinks: sinks.map(({ lag = 0, ...each }, sink) => ({ sink, lag, ...each })),
    witnessedEntries: log.witnessedEntries,
    unwitnessedSeconds: log.unwitnessedSeconds,
    witnesses: witnesses.map(({ name, failing, contradicts }) => ({
      witness: name,
      failing,
      contradicts,
    })),
    liveLeases,
  };
}

function problemsIn(status: Status): boolean {
  const { readiness, configuration, mounts, rotations, revocations, self, audit } = status;
  return (
    !readiness.ready ||
    has(configuration, ({ failure }) => failure !== undefined) ||
    has(mounts, (all) => all.some(({ healthy }) => !healthy)) ||
    has(rotations, ({ parked, overdue }) => parked.length + overdue.length > 0) ||
    has(revocations, ({ irrevocable }) => irrevocable > 0) ||
    has(self, ({ clockAheadSeconds }) => clockAheadSeconds > MOST_AHEAD_SECONDS) ||
    has(self, ({ watchesDown = [] }) => watchesDown.length > 0) ||
    has(self, ({ certificates = [] }) => certificates.some(({ state }) => state === 'expired')) ||
    has(audit, isDamaged)
  );
}

function isDamaged({ brokenChains, damagedEntries, sinks, witnesses }: AuditState): boolean {
  return (
    brokenChains + damagedEntries > 0 ||
    sinks.some(({ stopped }) => stopped) ||
    witnesses.some(({ contradicts }) => contradicts)
  );
}

/** A part that cannot be seen may have any problem. */
function has<T>(read: IfAllowed<T>, isProblem: (value: T) => boolean): boolean {
  return 'unseen' in read || isProblem(read.value);
}

/** The limit of the warning `clock_ahead`. */
const MOST_AHEAD_SECONDS = 60;

const NAME_WIDTH = 12;
const SHORT_DIGEST = 12;

function linesOf(status: Status, now: number): readonly string[] {
  const { url, readiness, seal, configuration, mounts, rotations, revocations, self, audit } =
    status;
  return [
    line('broker', url),
    ...readinessLines(readiness, seal),
    ...configurationPart(configuration),
    ...part('mounts', mounts, mountLines),
    ...part('rotations', rotations, rotationLines),
    ...part('revocations', revocations, revocationLines),
    ...part('clock', self, clockLines),
    ...part('clusters', self, clusterLines),
    ...part('certs', self, (state) => certificateLines(state, now)),
    ...part('backup', self, (state) => backupLines(state, now)),
    ...part('last hour', self, activityLines),
    ...part('audit', audit, (state) => auditLines(state, now)),
  ];
}

function line(name: string, text: string): string {
  return `${name.padEnd(NAME_WIDTH)}${text}`;
}

function part<T>(
  name: string,
  read: IfAllowed<T>,
  lines: (value: T) => readonly string[],
): readonly string[] {
  if ('unseen' in read) return [line(name, `not shown: ${printable(read.unseen)}`)];
  return lines(read.value).map((text, index) => line(index === 0 ? name : '', text));
}

function readinessLines(
  { ready, reasons, held = [], warnings = [] }: Readiness,
  seal: string | undefined,
): readonly string[] {
  const keys = reasons.includes('ERR_SEALED') ? coloured('red', 'not in memory') : 'unsealed';
  return [
    line('ready', ready ? coloured('green', 'yes') : coloured('red', `NO: ${reasons.join(', ')}`)),
    ...reasons
      .filter((word) => word !== 'ERR_HELD' || held.length === 0)
      .flatMap((word) => conditionLines('', word, UNREADY[word])),
    ...held.flatMap(({ reason, kind, count }) =>
      conditionLines('held', [reason, kind, count].filter(Boolean).join(' '), HELD[reason]),
    ),
    line('keys', keys),
    ...(seal === undefined ? [] : [line('', printable(seal))]),
    ...warnings.flatMap((word) => conditionLines('warning', word, WARNINGS[word])),
  ];
}

/** Lines of a condition: what happened, and below it what to do. */
function conditionLines(
  name: string,
  word: string,
  condition: Condition | undefined,
): readonly string[] {
  const colour = name === 'warning' ? 'yellow' : 'red';
  const first = line(name, coloured(colour, printable(conditionText(word, condition))));
  return condition === undefined ? [first] : [first, line('', cureOf(condition))];
}

/** A broker in development mode has no configuration file: that is not a fault. */
function configurationPart(read: Status['configuration']): readonly string[] {
  if ('unseen' in read && read.unseen.startsWith('ERR_CONFLICT')) {
    return [line('config', 'no file: the broker runs in development mode')];
  }
  return part('config', read, configurationLines);
}

function configurationLines({
  generation,
  digest,
  loadedAt,
  failure,
}: ConfigurationInUse): readonly string[] {
  const shown = `generation ${generation}, loaded ${loadedAt}, digest ${digest.slice(0, SHORT_DIGEST)}`;
  if (failure === undefined) return [shown];
  return [
    shown,
    coloured('red', `RELOAD FAILED ${failure.at}; the configuration before it is in use:`),
    ...failure.detail.split('\n').map((line) => coloured('red', printable(line))),
  ];
}

function mountLines(mounts: readonly MountHealth[]): readonly string[] {
  if (mounts.length === 0) return ['none; attach a backend: quaymaster apply -f FILE'];
  return mounts.map(({ name, prefix, connection, healthy, findings }) => {
    const health = healthy
      ? coloured('green', 'healthy')
      : coloured(
          'red',
          `NOT HEALTHY: ${printable(findings[0] ?? '')}; quaymaster mount check ${name}`,
        );
    return `${name} (${prefix}/ on ${connection}): ${health}`;
  });
}

function rotationLines({ parked, overdue }: Rotations): readonly string[] {
  if (parked.length + overdue.length === 0) return [coloured('green', 'none parked or overdue')];
  return [
    ...parked.map((path) => coloured('red', `parked: ${path}; quaymaster rotate status ${path}`)),
    ...overdue.map((path) =>
      coloured('yellow', `overdue: ${path}; quaymaster rotate status ${path}`),
    ),
  ];
}

function revocationLines({ revoking, irrevocable }: Revocations): readonly string[] {
  if (revoking + irrevocable === 0) return [coloured('green', 'none pending')];
  const text = `${counted(revoking, 'credential')} being revoked, ${irrevocable} irrevocable; quaymaster revocation ls`;
  return [irrevocable > 0 ? coloured('red', text) : text];
}

type Self = Pick<
  BrokerStatus,
  'clockAheadSeconds' | 'backups' | 'lastBackupAt' | 'watchesDown' | 'certificates' | 'activity'
>;

const HOUR_MINUTES = 60;

/** Lists the counts of the last hour at the broker that answers. An earlier broker does not say it. */
function activityLines({ activity }: Self): readonly string[] {
  if (activity === undefined) return ['not reported by this broker'];
  const sum = (counts: readonly number[]): number =>
    counts.slice(-HOUR_MINUTES).reduce((total, count) => total + count, 0);
  const { logins, reads, refusals } = activity;
  return [
    `${counted(sum(logins), 'login')}, ${counted(sum(reads), 'read')}, ${counted(sum(refusals), 'refusal')}`,
  ];
}

function clockLines({ clockAheadSeconds }: Self): readonly string[] {
  if (clockAheadSeconds <= MOST_AHEAD_SECONDS) return [coloured('green', 'as the system clock')];
  const text = `AHEAD of the system clock by ${Math.round(clockAheadSeconds)} s; docs/operations.md, "A clock that was set back"`;
  return [coloured('red', text)];
}

function clusterLines({ watchesDown = [] }: Self): readonly string[] {
  if (watchesDown.length === 0) return [coloured('green', 'no watch is down')];
  return watchesDown.map(({ cluster, connection, resource, status }) =>
    coloured(
      'red',
      printable(`${cluster}: the watch of ${resource} is ${status}; connection "${connection}"`),
    ),
  );
}

function certificateLines({ certificates }: Self, now: number): readonly string[] {
  if (certificates === undefined) return ['not reported by this broker'];
  const found = certificateFindings(certificates);
  if (found.length === 0) return [coloured('green', `${certificates.length}, none expires soon`)];
  return found.map(({ about, state, text, at = '' }) =>
    coloured(
      state === 'problem' ? 'red' : 'yellow',
      printable(`${about} ${text}: ${distance(Date.parse(at), now)}`),
    ),
  );
}

function backupLines({ backups, lastBackupAt }: Self, now: number): readonly string[] {
  if (backups === 'elsewhere')
    return ["none by the broker; it does not know of those by PostgreSQL's own tools"];
  if (backups === 'unknown') return ['not looked for, because the store is held'];
  if (lastBackupAt !== undefined) return [`newest ${distance(Date.parse(lastBackupAt), now)}`];
  const cure =
    backups === 'none' ? 'the configuration has no section "backup"' : 'quaymaster backup create';
  return [coloured('red', `NONE; ${cure}`)];
}

function auditLines(audit: AuditState, now: number): readonly string[] {
  const { entries, archived, brokenChains, damagedEntries, sinks, liveLeases } = audit;
  const isWhole = brokenChains + damagedEntries === 0;
  const state = isWhole
    ? coloured('green', 'no damage known')
    : coloured(
        'red',
        `DAMAGED: ${counted(damagedEntries, 'entry', 'entries')}, ${counted(brokenChains, 'chain')}`,
      );
  return [
    `${counted(entries, 'entry', 'entries')}${archived > 0 ? ` (${archived} archived)` : ''}, ${state}; ${counted(liveLeases, 'live lease')}`,
    ...archiveLines(audit, now),
    ...sinks.map((each) => sinkLine(each, now)),
    ...witnessLines(audit),
  ];
}

function archiveLines(
  { archivedAt, failedArchiveRuns }: AuditState,
  now: number,
): readonly string[] {
  if (archivedAt + failedArchiveRuns === 0) return [];
  const last = archivedAt > 0 ? `last run ${distance(archivedAt, now)}` : 'no run yet';
  if (failedArchiveRuns === 0) return [`archive: ${last}`];
  const failed = counted(failedArchiveRuns, 'failed run');
  return [coloured('yellow', `archive: ${last}, ${failed}; quaymaster audit archive-status`)];
}

function sinkLine(
  { sink, lag, behindSince, stopped, failing }: AuditState['sinks'][number],
  now: number,
): string {
  if (stopped) return coloured('red', `sink ${sink}: STOPPED at an entry that does not verify`);
  const since = behindSince && ` (since ${distance(Date.parse(behindSince), now)})`;
  const behind = `sink ${sink}: ${counted(lag, 'entry', 'entries')} behind${since ?? ''}`;
  return failing ? coloured('yellow', `${behind}, FAILING; see the log of the broker`) : behind;
}

function witnessLines(audit: AuditState): readonly string[] {
  const { witnesses, witnessedEntries, unwitnessedSeconds } = audit;
  if (witnesses.length === 0) return [];
  const late = unwitnessedSeconds > 0 ? `, ${Math.round(unwitnessedSeconds)} s ago` : '';
  return [
    `witnessed: ${counted(witnessedEntries, 'entry', 'entries')}${late}`,
    ...witnesses
      .filter(({ failing, contradicts }) => failing || contradicts)
      .map(({ witness, contradicts }) =>
        contradicts
          ? coloured(
              'red',
              `witness ${witness}: CONTRADICTS the log or itself; docs/audit.md, "Witnesses"`,
            )
          : coloured(
              'yellow',
              `witness ${witness}: gives no cosignature; see the log of the broker`,
            ),
      ),
  ];
}
