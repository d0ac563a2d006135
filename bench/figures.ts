/** A load on one server, which each round drives once. */
export const VARIANTS = [
  'raw-http',
  'read-embedded',
  'read-vault-cached',
  'batch-of-ten',
  'login-offline',
  'login-review',
  'openbao-read',
  'openbao-login-jwt',
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

export interface RatioFigure {
  readonly name: string;
  readonly label: string;
  readonly ours: VariantName;
  readonly peer: VariantName;
  readonly measure: Measure;
  readonly target: Target;
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

/** Each is judged by the median of its rounds' ratios. */
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
    name: 'read-raw-http',
    label: 'Durable audited GET, embedded, to a bare node:http hello',
    ours: 'read-embedded',
    peer: 'raw-http',
    measure: 'rate',
    target: { least: 0.2 },
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
    target: { least: 15 },
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

/** Reads per second of the loads at a constant rate. */
export const LATENCY_RATES = [200, 500, 1000, 1500] as const;
export type LatencyRate = (typeof LATENCY_RATES)[number];
export const LATENCY_MEASURES = ['p50', 'p99', 'worst'] as const;
type LatencyMeasure = (typeof LATENCY_MEASURES)[number];
type LatencyPeer = 'openbao' | 'hello';

export interface LatencyFigure {
  readonly name: `latency-${LatencyRate}-${LatencyMeasure}-${LatencyPeer}`;
  readonly label: string;
  readonly perSecond: LatencyRate;
  readonly measure: LatencyMeasure;
  readonly peer: 'openbao-read' | 'raw-http';
  readonly target: Target;
}

const LATENCY_TARGETS: Readonly<Record<LatencyMeasure, Target>> = {
  p50: { most: 1 },
  p99: { most: 1 },
  worst: { most: 2 },
};

export const LATENCY_FIGURES: readonly LatencyFigure[] = LATENCY_RATES.flatMap((perSecond) =>
  LATENCY_MEASURES.flatMap((measure) => [
    {
      ...({
        name: `latency-${perSecond}-${measure}-openbao`,
        perSecond,
        measure,
      } as const),
      label: `${measure} of durable audited GETs at ${perSecond}/s, to OpenBao`,
      peer: 'openbao-read',
      target: LATENCY_TARGETS[measure],
    } as const,
    {
      ...({
        name: `latency-${perSecond}-${measure}-hello`,
        perSecond,
        measure,
      } as const),
      label: `${measure} of durable audited GETs at ${perSecond}/s, to a bare node:http hello`,
      peer: 'raw-http',
      target: {},
    } as const,
  ]),
);

export interface PostgresFigure {
  readonly name: `postgres-${'read-p50' | 'read-p99' | 'two-rate' | 'three-rate' | 'two-cost' | 'three-cost'}`;
  readonly label: string;
  readonly target: Target;
}

/** Brokers whose store is a PostgreSQL server with fsync on. */
export const POSTGRES_FIGURES: readonly PostgresFigure[] = [
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
    label: 'Processor time of the brokers for a GET, two brokers to one',
    target: { most: 1.2 },
  },
  {
    name: 'postgres-three-cost',
    label: 'Processor time of the brokers for a GET, three brokers to one',
    target: { most: 1.2 },
  },
];

export interface MemoryFigure {
  readonly name: 'memory-idle' | 'memory-connections' | 'memory-loaded';
  readonly label: string;
  readonly target: Target;
}

export const MEMORY_FIGURES: readonly MemoryFigure[] = [
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
    target: { most: 350 },
  },
];

export interface StartFigure {
  readonly name: 'start-ready';
  readonly label: string;
  readonly target: Target;
}

export const START_FIGURES: readonly StartFigure[] = [
  {
    name: 'start-ready',
    label: 'Start to ready with 1.2 million audit entries and 10,000 policies',
    target: { most: 1 },
  },
];

export interface RotationFigure {
  readonly name: 'rotation-thousand' | 'rotation-reads' | 'rotation-idle';
  readonly label: string;
  readonly target: Target;
}

export const ROTATION_FIGURES: readonly RotationFigure[] = [
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
    label: 'Processor time of an idle broker with 100,000 schedules, to one without',
    target: { most: 1.5 },
  },
];

export interface AgentFigure {
  readonly name: 'agent-start' | 'agent-memory';
  readonly label: string;
  readonly target: Target;
}

export const AGENT_FIGURES: readonly AgentFigure[] = [
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

export interface FleetFigure {
  readonly name: 'fleet-cold' | 'fleet-return';
  readonly label: string;
  readonly target: Target;
}

export const FLEET_FIGURES: readonly FleetFigure[] = [
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

/** Whether the value is within its limit. */
export function holds({ least, most }: Target, value: number): boolean {
  return (least === undefined || value >= least) && (most === undefined || value <= most);
}

/** The limit as text for reports. */
export function targetText({ least, most }: Target): string {
  if (least !== undefined) return `>= ${least}`;
  return most === undefined ? 'none' : `<= ${most}`;
}
