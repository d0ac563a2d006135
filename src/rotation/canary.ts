import { hmac } from '../crypto/hashes/digest.ts';
import { BrokerError } from '../domain/errors.ts';
import {
  openCanaryStage,
  provisionalVersion,
  type CanaryStage,
} from '../domain/rotation/canary-stage.ts';
import type { Tables } from '../ports/tables.ts';
import type { Backends, Keys, Storage } from '../broker/state/dependencies.ts';
import { findHolders, readReports, type Holder } from './holders.ts';
import { rotationTargetRef } from './rotation-target-ref.ts';
import { rotationUnchanged, rotationUpdate, type RotationRow } from './rotation-row.ts';
import { CHECK_MS, SETTLED, type Waiting } from './settle.ts';
import { findComplaints, vetoersOf } from './vetoes.ts';

/**
 * Checks whether the pods that have the new version first accept it: one pod, then a share of the pods. A stage ends after its
 * soak time, once every pod that still holds the secret reported success. It also ends when the grace period ends without a
 * complaint. One complaint stops the canary; several roll the version back.
 */
export async function checkCanary(
  parts: Storage & Backends & Pick<Keys, 'keyring'>,
  row: RotationRow,
): Promise<Waiting> {
  const { spec } = rotationTargetRef(parts, row.path, row);
  if (spec.canary === undefined || row.cause === 'incident') return SETTLED;
  const now = parts.clock.now();
  const holders = await findHolders(parts, row.path);
  const stage = openCanaryStage(row.canary);
  if (stage === undefined) return begin(parts, row, holders, { stage: 'pod', count: 1 });
  const reports = await readReports(parts, row.path);
  const standing = { holders, reports };
  const complaints = await findComplaints(parts, row, standing, new Set([stage.version]));
  const vetoers = vetoersOf(complaints);
  if (vetoers.length > 0) return { settled: false, checkAgainAt: null, vetoers };
  if (complaints.size > 0) {
    const { id, path, connection } = row;
    const fields = { rotation: id, path, connection, complaints: complaints.size };
    parts.log.warn(fields, STOPPED);
  }
  const soaked = stage.since + spec.canary.soakSeconds * 1000;
  if (now < soaked) return { settled: false, checkAgainAt: soaked };
  const living = stage.pods.filter((pod) => holders.has(pod));
  if (living.length === 0) {
    return begin(parts, row, holders, { stage: stage.stage, count: stage.pods.length });
  }
  const isLate = now >= stage.since + spec.graceSeconds * 1000;
  const counted = new Map(
    [...reports].filter(([key, { outcome }]) => outcome === 'ok' || complaints.has(key)),
  );
  if (!haveAccepted(living, stage, counted, isLate)) {
    return { settled: false, checkAgainAt: now + CHECK_MS };
  }
  const share = Math.ceil((holders.size * spec.canary.sharePercent) / 100);
  return stage.stage === 'share' || share <= living.length
    ? SETTLED
    : begin(parts, row, holders, { stage: 'share', count: share });
}

const STOPPED =
  'a holder reported that the new version does not work; the canary is stopped: check the holder, then abort the rotation or promote it as an incident';

function haveAccepted(
  pods: readonly string[],
  { version }: CanaryStage,
  reports: ReadonlyMap<string, Tables['acknowledgements']>,
  isLate: boolean,
): boolean {
  return pods.every((pod) => {
    const report = reports.get(pod);
    return report?.version === version ? report.outcome === 'ok' : isLate;
  });
}

/** Gives the pending value to this many pods; those of an earlier stage keep it. Without a pod that holds the secret there is no canary. */
async function begin(
  parts: Storage & Backends & Pick<Keys, 'keyring'>,
  row: RotationRow,
  holders: ReadonlyMap<string, Holder>,
  { stage: name, count }: Pick<CanaryStage, 'stage'> & { readonly count: number },
): Promise<Waiting> {
  const pods = inOrder(parts, row, holders).slice(0, count);
  if (pods.length === 0) return SETTLED;
  const stage: CanaryStage = {
    stage: name,
    since: parts.clock.now(),
    pods,
    version: provisionalVersion(row.id),
  };
  const { status } = await parts.store.commit({
    expect: [rotationUnchanged(row)],
    writes: [rotationUpdate(row.id, { canary: JSON.stringify(stage) })],
    invalidates: canaryChanged(row.path),
  });
  if (status !== 'committed') {
    throw new BrokerError('ERR_CONFLICT', undefined, { reason: 'claim_lost' });
  }
  const { spec } = rotationTargetRef(parts, row.path, row);
  return { settled: false, checkAgainAt: stage.since + (spec.canary?.soakSeconds ?? 0) * 1000 };
}

/** A keyed order: other pods each time, and no pod can choose whether it is first. */
function inOrder(
  { keyring }: Pick<Keys, 'keyring'>,
  { id }: RotationRow,
  holders: ReadonlyMap<string, Holder>,
): readonly string[] {
  const key = keyring.lookup.keyFor('versionDigest');
  const place = (pod: string): string => hmac(key, id, '\n', pod).toString('hex', 0, 16);
  return [...holders]
    .filter(([, { podUid }]) => podUid !== undefined)
    .map(([pod]) => ({ pod, at: place(pod) }))
    .sort((left, right) => (left.at < right.at ? -1 : 1))
    .map(({ pod }) => pod);
}

/** Fence keys of a change of the canary: memory follows the first, reads and holders the second. */
export function canaryChanged(path: string): readonly string[] {
  return [`canary:${path}`, `secret:${path}`];
}
