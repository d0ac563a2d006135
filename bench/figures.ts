/** A load on one server, which each round drives once. */
export const VARIANTS = [
  'raw-http',
  'read-embedded',
  'read-one-field',
  'read-vault-cached',
  'vault-read',
  'batch-of-ten',
  'login-offline',
  'login-es256',
  'login-review',
  'openbao-read',
  'openbao-read-one-field',
  'openbao-login-jwt',
  'openbao-login-batch',
  'openbao-login-kubernetes',
  'read-before',
  'batch-before',
  'login-before',
] as const;
export type VariantName = (typeof VARIANTS)[number];

/** The compared figure of two variants; `cost` is time per request. */
export type Measure = 'rate' | 'p99' | 'cost';

/** A limit for the ratio, or for memory a limit for the figure itself. Without limits, the figure is only reported. */
export interface Target {
  readonly least?: number;
  readonly most?: number;
}

/** A line of `bench.json` before it is measured. */
export interface Figure<Name extends string = string> {
  readonly name: Name;
  readonly label: string;
  readonly target: Target;
}

export interface RatioFigure extends Figure {
  readonly ours: VariantName;
  readonly peer: VariantName;
  readonly measure: Measure;
}

/** Compares another build of the broker, `--before`, with this one: the cost of a change to the hot path. */
export const BEFORE_FIGURES: readonly RatioFigure[] = [
  {
    name: 'before-read',
    label: 'Durable audited GET, to the build before',
    ours: 'read-embedded',
    peer: 'read-before',
    measure: 'rate',
    target: { least: 0.95 },
  },
  {
    name: 'before-batch',
    label: 'A batch of ten, to the build before',
    ours: 'batch-of-ten',
    peer: 'batch-before',
    measure: 'rate',
    target: { least: 0.95 },
  },
  {
    name: 'before-login',
    label: 'Offline login, to the build before',
    ours: 'login-offline',
    peer: 'login-before',
    measure: 'rate',
    target: { least: 0.95 },
  },
];

/** Figures that are judged by the median of their rounds' ratios. */
export const RATIO_FIGURES: readonly RatioFigure[] = [
  {
    name: 'read-openbao',
    label: 'Durable audited GET, embedded, to OpenBao KV v2 with file audit',
    ours: 'read-embedded',
    peer: 'openbao-read',
    measure: 'rate',
    target: { least: 10 },
  },
  {
    name: 'read-one-field',
    label: 'Durable audited GET of a secret with one field, to OpenBao',
    ours: 'read-one-field',
    peer: 'openbao-read-one-field',
    measure: 'rate',
    target: {},
  },
  {
    name: 'read-raw-http',
    label: 'Durable audited GET, embedded, to a bare node:http hello',
    ours: 'read-embedded',
    peer: 'raw-http',
    measure: 'rate',
    target: { least: 0.3 },
  },
  {
    name: 'read-p99',
    label: 'p99 of the same GET at 64 connections, to OpenBao',
    ours: 'read-embedded',
    peer: 'openbao-read',
    measure: 'p99',
    target: { most: 0.2 },
  },
  {
    name: 'read-vault-cached',
    label: 'GET of a Vault mount from the sealed cache, to embedded',
    ours: 'read-vault-cached',
    peer: 'read-embedded',
    measure: 'rate',
    target: { least: 0.8 },
  },
  {
    name: 'vault-read',
    label: 'GET of KV version 2 by a client of the Vault HTTP API, to the same GET of the API',
    ours: 'vault-read',
    peer: 'read-embedded',
    measure: 'rate',
    target: { least: 0.9 },
  },
  {
    name: 'batch-of-ten',
    label: 'A batch of ten, to one GET',
    ours: 'batch-of-ten',
    peer: 'read-embedded',
    measure: 'cost',
    target: { most: 4 },
  },
  {
    name: 'login-offline',
    label: 'Offline login, session and audit durable, to OpenBao jwt',
    ours: 'login-offline',
    peer: 'openbao-login-jwt',
    measure: 'rate',
    target: { least: 20 },
  },
  {
    name: 'login-es256',
    label: 'Offline login with a token of ES256, to one of RS256',
    ours: 'login-es256',
    peer: 'login-offline',
    measure: 'rate',
    target: {},
  },
  {
    name: 'login-batch-tokens',
    label: 'Offline login, session and audit durable, to OpenBao jwt with batch tokens',
    ours: 'login-offline',
    peer: 'openbao-login-batch',
    measure: 'rate',
    target: {},
  },
  {
    name: 'login-review',
    label: 'TokenReview login, to OpenBao kubernetes',
    ours: 'login-review',
    peer: 'openbao-login-kubernetes',
    measure: 'rate',
    target: { least: 3 },
  },
];

/** The figures of a quick run: reads, batches and logins, without another product. */
export const QUICK_FIGURES = ['read-raw-http', 'batch-of-ten', 'login-es256'] as const;

/** Reads per second of the loads at a constant rate. */
export const LATENCY_RATES = [200, 500, 1000, 1500] as const;
export type LatencyRate = (typeof LATENCY_RATES)[number];
export const LATENCY_MEASURES = ['p50', 'p99', 'worst'] as const;
type LatencyMeasure = (typeof LATENCY_MEASURES)[number];
/**
 * Cores on which the servers run: one, or also that of the client, so that threads of V8 and libuv need not share one core with
 * the event loop.
 */
export const LATENCY_PLACES = ['pinned', 'unpinned'] as const;
export type LatencyPlace = (typeof LATENCY_PLACES)[number];

const LATENCY_PEERS = { openbao: 'openbao-read', hello: 'raw-http' } as const;
type LatencyPeer = keyof typeof LATENCY_PEERS;

type LatencyName = `latency-${'' | 'unpinned-'}${LatencyRate}-${LatencyMeasure}-${LatencyPeer}`;

export interface LatencyFigure extends Figure<LatencyName> {
  readonly place: LatencyPlace;
  readonly perSecond: LatencyRate;
  readonly measure: LatencyMeasure;
  readonly peer: (typeof LATENCY_PEERS)[LatencyPeer];
}

const LATENCY_TARGETS: Readonly<Record<LatencyMeasure, Target>> = {
  p50: { most: 1 },
  p99: { most: 1 },
  worst: { most: 2 },
};

export const LATENCY_FIGURES: readonly LatencyFigure[] = LATENCY_PLACES.flatMap((place) =>
  LATENCY_RATES.flatMap((perSecond) =>
    LATENCY_MEASURES.flatMap((measure) => [
      latencyFigure(place, perSecond, measure, 'openbao'),
      latencyFigure(place, perSecond, measure, 'hello'),
    ]),
  ),
);

function latencyFigure(
  place: LatencyPlace,
  perSecond: LatencyRate,
  measure: LatencyMeasure,
  peer: LatencyPeer,
): LatencyFigure {
  const cores = place === 'pinned' ? 'one core' : 'both cores';
  const to = peer === 'openbao' ? 'OpenBao' : 'a bare node:http hello';
  return {
    name: `latency-${place === 'pinned' ? '' : 'unpinned-'}${perSecond}-${measure}-${peer}`,
    label: `${measure} of durable audited GETs at ${perSecond}/s on ${cores}, to ${to}`,
    target: peer === 'openbao' ? LATENCY_TARGETS[measure] : {},
    place,
    perSecond,
    measure,
    peer: LATENCY_PEERS[peer],
  };
}

/** Milliseconds by which a sync takes longer. */
export const SYNC_DELAYS_MS = [0, 1, 4, 16] as const;
export const SYNC_MEASURES = ['p50', 'p99', 'rate', 'login'] as const;
export type SyncMeasure = (typeof SYNC_MEASURES)[number];

export interface SyncFigure extends Figure<`sync-${number}-${SyncMeasure}`> {
  readonly delay: (typeof SYNC_DELAYS_MS)[number];
  readonly measure: SyncMeasure;
}

const SYNC_LABELS: Readonly<Record<SyncMeasure, string>> = {
  p50: 'p50 of durable audited GETs at 500/s',
  p99: 'p99 of durable audited GETs at 500/s',
  rate: 'Saturated durable audited GETs',
  login: 'p99 of logins beside saturated GETs',
};

/** Latency and saturation by the time of a sync. */
export const SYNC_FIGURES: readonly SyncFigure[] = SYNC_DELAYS_MS.flatMap((delay) =>
  SYNC_MEASURES.map((measure) => ({
    name: `sync-${delay}-${measure}` as const,
    label: `${SYNC_LABELS[measure]}, a sync takes ${delay} ms longer, to the same without`,
    target: {},
    delay,
    measure,
  })),
);

export type BesideName = 'latency-search-500' | 'latency-export-500' | 'latency-replay-500';

/** Reads at a constant rate beside other work of the same broker. */
export const BESIDE_FIGURES: readonly Figure<BesideName>[] = [
  {
    name: 'latency-search-500',
    label: 'p99 of durable audited GETs at 500/s beside audit searches, to the same without',
    target: { most: 1.5 },
  },
  {
    name: 'latency-export-500',
    label: 'p99 of durable audited GETs at 500/s beside an export of the log, to the same without',
    target: { most: 1.5 },
  },
  {
    name: 'latency-replay-500',
    label: 'p99 of durable audited GETs at 500/s beside replays of a draft, to the same without',
    target: { most: 1.5 },
  },
];

export const ACKNOWLEDGERS = ['http', 'file'] as const;
export type AcknowledgeName = `acknowledge-${(typeof ACKNOWLEDGERS)[number]}-${'p50' | 'cost'}`;

/** Answers that wait for a sink (`mustAcknowledge`). */
export const ACKNOWLEDGE_FIGURES: readonly Figure<AcknowledgeName>[] = ACKNOWLEDGERS.flatMap(
  (sink) => [
    {
      name: `acknowledge-${sink}-p50` as const,
      label: `p50 of durable audited GETs at 200/s that wait for a ${sink} sink, to the same without a sink`,
      target: {},
    },
    {
      name: `acknowledge-${sink}-cost` as const,
      label: `Processor time of the same GETs that wait for a ${sink} sink, to the same without a sink`,
      target: {},
    },
  ],
);

export type PostgresName =
  `postgres-${'read-p50' | 'read-p99' | 'two-rate' | 'three-rate' | 'two-cost' | 'three-cost' | 'two-divided-cost' | 'three-divided-cost' | 'small-commits-cost'}`;

/** Brokers whose store is a PostgreSQL server with fsync on. */
export const POSTGRES_FIGURES: readonly Figure<PostgresName>[] = [
  {
    name: 'postgres-read-p50',
    label: 'p50 of durable audited GETs at 600/s with the store on PostgreSQL, in ms',
    target: { most: 1.5 },
  },
  {
    name: 'postgres-read-p99',
    label: 'p99 of the same GETs, to the store on SQLite',
    target: { most: 2 },
  },
  {
    name: 'postgres-two-rate',
    label: 'Saturated GETs of two brokers on one PostgreSQL, to one broker',
    target: {},
  },
  {
    name: 'postgres-three-rate',
    label: 'Saturated GETs of three brokers on one PostgreSQL, to one broker',
    target: {},
  },
  {
    name: 'postgres-two-cost',
    label: 'Processor time of the brokers for a GET, two brokers with 64 connections each to one',
    target: { most: 1.2 },
  },
  {
    name: 'postgres-three-cost',
    label: 'Processor time of the brokers for a GET, three brokers with 64 connections each to one',
    target: { most: 1.2 },
  },
  {
    name: 'postgres-two-divided-cost',
    label: 'Processor time of the brokers for a GET, two brokers with 32 connections each to one',
    target: {},
  },
  {
    name: 'postgres-three-divided-cost',
    label: 'Processor time of the brokers for a GET, three brokers with 21 connections each to one',
    target: {},
  },
  {
    name: 'postgres-small-commits-cost',
    label: 'Processor time of one broker for a GET, with 21 connections to 64',
    target: {},
  },
];

export type BrokersName =
  `brokers-${'idle' | 'idle-server' | 'memory' | 'sessions' | 'lag' | 'takeover'}`;

/** Many brokers on one PostgreSQL server, with little or no load. */
export const BROKERS_FIGURES: readonly Figure<BrokersName>[] = [
  {
    name: 'brokers-idle',
    label: 'Processor time of an idle broker, 20 brokers on one PostgreSQL',
    target: { most: 20 },
  },
  {
    name: 'brokers-idle-server',
    label: 'Processor time of PostgreSQL for 20 idle brokers',
    target: { most: 200 },
  },
  {
    name: 'brokers-memory',
    label: 'Resident memory of each of 20 idle brokers',
    target: { most: 110 },
  },
  {
    name: 'brokers-sessions',
    label: 'Sessions at PostgreSQL for each broker',
    target: { most: 9 },
  },
  {
    name: 'brokers-lag',
    label:
      'Longest time from a commit until its entries are in the tree, 20 brokers with 5 reads a second each',
    target: { most: 2 },
  },
  {
    name: 'brokers-takeover',
    label: 'From the kill of the broker that integrates the log until another one does',
    target: { most: 5 },
  },
];

export type MemoryName = 'memory-idle' | 'memory-connections' | 'memory-loaded';

export const MEMORY_FIGURES: readonly Figure<MemoryName>[] = [
  {
    name: 'memory-idle',
    label: 'Resident memory, idle, embedded defaults',
    target: { most: 110 },
  },
  {
    name: 'memory-connections',
    label: 'Resident memory, idle, a read through every kind of connection',
    target: { most: 220 },
  },
  {
    name: 'memory-loaded',
    label: 'Resident memory with 10,000 sessions and 100,000 leases',
    target: { most: 330 },
  },
];

export const START_FIGURES: readonly Figure<'start-ready'>[] = [
  {
    name: 'start-ready',
    label: 'Start to ready with 1.2 million audit entries and 10,000 policies',
    target: { most: 1 },
  },
];

export type ConsoleName =
  | 'console-scripts'
  | 'console-style'
  | 'console-lines'
  | 'console-first-view'
  | 'console-scroll'
  | 'console-heap'
  | 'console-memory';

export const CONSOLE_FIGURES: readonly Figure<ConsoleName>[] = [
  {
    name: 'console-scripts',
    label: 'Scripts of the first view of the console, compressed',
    target: { most: 45 },
  },
  { name: 'console-style', label: 'Its style, compressed', target: { most: 12 } },
  {
    name: 'console-lines',
    label: 'Lines of the console, with its style and without tests',
    target: { most: 9_000 },
  },
  {
    name: 'console-first-view',
    label: 'First view of the console, from a warm broker',
    target: { most: 400 },
  },
  {
    name: 'console-scroll',
    label: 'Frames a second while 100,000 leases scroll',
    target: { least: 50 },
  },
  {
    name: 'console-heap',
    label: 'Heap of the page with 100,000 leases',
    target: { most: 80 },
  },
  {
    name: 'console-memory',
    label: 'Resident memory of an idle broker that the console adds',
    target: { most: 3 },
  },
];

export const APPLY_FIGURES: readonly Figure<'apply-policies'>[] = [
  {
    name: 'apply-policies',
    label: '`apply` of a file with 10,000 new policies, in seconds',
    target: { most: 5 },
  },
];

export type PostureName =
  | 'posture-evaluate'
  | 'posture-read'
  | 'posture-hostile'
  | 'posture-alert'
  | 'posture-watch';

export const POSTURE_FIGURES: readonly Figure<PostureName>[] = [
  {
    name: 'posture-evaluate',
    label: 'Evaluation of a pod with five containers and 2,000 findings each, processor time',
    target: { most: 5 },
  },
  {
    name: 'posture-read',
    label: 'Durable audited read under a posture profile, to one without, processor time',
    target: { most: 1.05 },
  },
  {
    name: 'posture-hostile',
    label: 'p99 of a read beside writers of expensive reports, to a read alone',
    target: { most: 2 },
  },
  {
    name: 'posture-alert',
    label: 'From an alert to "no more reads", p99, with 10,000 live sessions',
    target: { most: 1_000 },
  },
  {
    name: 'posture-watch',
    label: 'Memory of 10,000 watched pods',
    target: { most: 60 },
  },
];

type SearchName = 'search-page' | 'search-growth' | 'log-size' | 'exposure';

export const SEARCH_FIGURES: readonly Figure<SearchName>[] = [
  {
    name: 'search-page',
    label: 'First page of the most expensive audit search, in a long log (a million entries)',
    target: { most: 50 },
  },
  {
    name: 'search-growth',
    label: 'The same, to a log of 60,000 entries',
    target: { most: 1.5 },
  },
  {
    name: 'log-size',
    label: 'The long log on disk after compaction, its search index included, in bytes an entry',
    target: { most: 250 },
  },
  {
    name: 'exposure',
    label:
      'Everything that one pod ever read: the long log (a million reads) and 1,000 other secrets',
    target: { most: 200 },
  },
];

export type RotationName = 'rotation-thousand' | 'rotation-reads' | 'rotation-idle';

export const ROTATION_FIGURES: readonly Figure<RotationName>[] = [
  {
    name: 'rotation-thousand',
    label: '1,000 rotations of one minute, at a target that answers in 500 ms',
    target: { most: 10 },
  },
  {
    name: 'rotation-reads',
    label: 'p99 of durable audited GETs meanwhile, to before and after',
    target: { most: 2 },
  },
  {
    name: 'rotation-idle',
    label: 'Processor time of an idle broker with 10,000 schedules, to one without',
    target: { most: 1.5 },
  },
];

export type AgentName = 'agent-start' | 'agent-memory';

export const AGENT_FIGURES: readonly Figure<AgentName>[] = [
  {
    name: 'agent-start',
    label: 'Start of an agent to ten files written, login included, to OpenBao’s',
    target: { most: 0.5 },
  },
  {
    name: 'agent-memory',
    label: 'Resident memory of an agent three seconds later, to OpenBao’s',
    target: { most: 0.8 },
  },
];

export type FleetName = 'fleet-cold' | 'fleet-return';

export const FLEET_FIGURES: readonly Figure<FleetName>[] = [
  {
    name: 'fleet-cold',
    label: '10,000 agents that start within a minute: seconds until all have their secrets',
    target: { most: 110 },
  },
  {
    name: 'fleet-return',
    label: 'Most logins in a second when the broker is back after five minutes',
    target: { most: 500 },
  },
];

/** Reports whether the value is within its limit. */
export function holds({ least, most }: Target, value: number): boolean {
  return (least === undefined || value >= least) && (most === undefined || value <= most);
}

/** The limit as text for reports. */
export function targetText({ least, most }: Target): string {
  if (least !== undefined) return `>= ${least}`;
  return most === undefined ? 'none' : `<= ${most}`;
}
