import { ApiError, type components, type ItemOf } from '../../client/index.ts';
import { allPages, callWith, type Broker } from '../connection/broker.ts';
import { refusalText } from '../run/failure.ts';

export type Mount = ItemOf<'listMounts'>;

/** Result of a check, with the remedy of a problem. */
export interface Finding {
  readonly about: string;
  /** State of the check. `unknown`: the caller may not see it. */
  readonly state: 'ok' | 'warning' | 'problem' | 'unknown';
  readonly text: string;
  readonly cure?: string;
}

/** The value of a part, or why the caller cannot see it. */
export type IfAllowed<T> = { readonly value: T } | { readonly unseen: string };

/** A part that the caller may not see is shown as unseen, and never as empty. Other errors end the command. */
export async function readIfAllowed<T>(read: () => Promise<T>): Promise<IfAllowed<T>> {
  try {
    return { value: await read() };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const [line = ''] = refusalText(error, []).split('\n');
    return { unseen: line };
  }
}

/** Samples of the broker's metrics by name, each with its labels. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

export async function readSamples(broker: Broker): Promise<Samples> {
  const { body } = await broker.call('readMetrics');
  const samples = new Map<string, Sample[]>();
  for (const line of body.split('\n')) {
    const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    if (name === '') continue;
    samples.set(name, [...(samples.get(name) ?? []), { labels, value: Number(value) }]);
  }
  return samples;
}

const SAMPLE = /^(quaymaster_\w+)(?:\{(.*)\})? (\S+)/;

export interface Sample {
  readonly labels: string;
  readonly value: number;
}

export interface WitnessState {
  readonly witness: string;
  readonly failing: boolean;
  /** True if the witness contradicted the log, or itself, since the start of the broker. */
  readonly contradicts: boolean;
}

/** The witnesses of the audit log; empty if there are none. */
export function witnessesIn(samples: Samples): readonly WitnessState[] {
  const contradictions = samples.get('quaymaster_audit_witness_contradictions') ?? [];
  return (samples.get('quaymaster_audit_witness_failing') ?? []).map(({ labels, value }) => ({
    witness: /witness="([^"]*)"/.exec(labels)?.[1] ?? '',
    failing: value > 0,
    contradicts: (contradictions.find((each) => each.labels === labels)?.value ?? 0) > 0,
  }));
}

export function readMounts(broker: Broker): Promise<readonly Mount[]> {
  return allPages(broker, 'listMounts', { query: { limit: 1000 } });
}

/** Checks that the backend of a mount allows what the mount needs. */
export async function checkMount(
  broker: Broker,
  name: string,
): Promise<components['schemas']['CheckReport']> {
  return (await callWith(broker, 'checkMount', { path: { name } })).body;
}
