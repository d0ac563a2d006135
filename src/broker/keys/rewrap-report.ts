import type { KeyringRowMacs } from '../kernel/row-macs.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Store, Write } from '../../ports/store.ts';

/** Progress of a pass over all rows. Every pass begins at the first row: rows that are done cost only a check. */
export interface RewrapReport {
  /** The root key that the rows get. */
  readonly rootKey: string;
  readonly startedAt: number;
  readonly updatedAt: number;
  /** Time of the end, set when no row needs an older key any more. */
  readonly finishedAt?: number | undefined;
  /** The table in progress. */
  readonly table?: string | undefined;
  readonly checked: number;
  readonly rewrapped: number;
  /** Values that got new data keys, because an older root key was compromised. */
  readonly reencrypted: number;
  /** Values that a copy of the store from before the rotation still holds, while they are current: change them at their source. */
  readonly exposed?: ExposedValues | undefined;
}

export interface ExposedValues {
  /** Milliseconds since the epoch: copies from before hold the values. */
  readonly before: number;
  readonly values: number;
  /** Paths of these values, at most 100. */
  readonly paths: readonly string[];
  /** Dynamic credentials that were kept for a repeat of their request. */
  readonly credentials: number;
  /** Leases of these credentials, at most 100. */
  readonly issued: readonly IssuedLease[];
}

export interface IssuedLease {
  readonly lease: string;
  readonly path: string;
}

const KEY = 'rewrap-report';

/** The report's row. Its MAC keeps a writer of the database from showing a rotation as finished. */
export function reportWrite(rows: KeyringRowMacs, report: RewrapReport): Write {
  const value = JSON.stringify(report);
  const mac = rows.mac('meta', { key: KEY, value }).toString('hex');
  return { table: 'meta', put: { key: KEY, value: `${mac} ${value}` } };
}

/** Reads the report; undefined if there was no rotation, or if no key of this installation made the row's MAC. */
export async function readRewrapReport({
  store,
  rows,
}: {
  readonly store: Pick<Store, 'get'>;
  readonly rows: KeyringRowMacs;
}): Promise<RewrapReport | undefined> {
  const row = await store.get('meta', { key: KEY });
  if (row === undefined) return undefined;
  const space = row.value.indexOf(' ');
  const value = row.value.slice(space + 1);
  try {
    rows.verify('meta', { key: KEY, value }, Buffer.from(row.value.slice(0, space), 'hex'));
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return undefined;
    throw error;
  }
  return JSON.parse(value) as RewrapReport;
}
