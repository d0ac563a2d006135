import { nextDrill, nextRun } from '../broker/model/rotation-times.ts';
import type { Backends, Keys, Recording, Storage, Values } from '../broker/state/dependencies.ts';
import { BrokerError } from '../domain/errors.ts';
import type { RotationStep } from '../domain/rotation/rotation-words.ts';
import type { SecretData } from '../domain/secrets/secret.ts';
import type { CallContext } from '../ports/call-context.ts';
import type { RotationTurn } from '../ports/rotation-target.ts';
import type { PlanFragment } from '../ports/store.ts';
import { canaryChanged } from './canary.ts';
import type { RotationClaim } from './rotation-claim.ts';
import { currentValue, type RotationTargetRef } from './rotation-target-ref.ts';
import {
  rotationUnchanged,
  openSlot,
  type RotationRow,
  type ScheduleRow,
  encryptedValue,
} from './rotation-row.ts';
import { revokeSupersededLeases } from './settle.ts';

/** One attempt at a step. */
export interface StepWork {
  readonly parts: Recording & Backends & Keys & Values;
  readonly row: RotationRow;
  readonly place: RotationTargetRef;
  readonly claim: RotationClaim;
}

/** The result of a step's external effect, in the commit that records the step as done. */
export interface StepResult extends Partial<PlanFragment> {
  readonly change?: Partial<RotationRow>;
  readonly schedule?: Partial<ScheduleRow>;
  readonly entries?: readonly string[];
}

/** The outside effect of each step. Each is idempotent, so that an interrupted step is simply repeated. */
export const EFFECTS: Readonly<
  Partial<Record<RotationStep, (work: StepWork) => Promise<StepResult>>>
> = { create, set, test, promote, retire, discard };

const LONGEST_MISSING = 200;

async function create(work: StepWork): Promise<StepResult> {
  const { parts, row, place, claim } = work;
  const read = await currentValue(place, claim.context);
  if (!(await ownsAccounts(parts, place, read?.data, claim.context))) throw takeoverUnproven(place);
  const pending = await place.target.create(turnOf(work, read?.data));
  return {
    change: {
      pending: encryptedValue(parts, row, 'pending', pending),
      ...(read !== undefined && {
        previous: encryptedValue(parts, row, 'previous', read.data),
        previous_version: parts.values.value(row.path, read).version,
      }),
    },
  };
}

async function set(work: StepWork): Promise<StepResult> {
  await work.place.target.set(turnOf(work, previousOf(work)), pendingOf(work));
  return {};
}

/** A drill has reached its goal when this test succeeds. */
async function test(work: StepWork): Promise<StepResult> {
  const { place, claim, row, parts } = work;
  const verdict = await place.target.test(pendingOf(work), claim.context);
  if (!verdict.accepted) {
    const reason = `refused_${verdict.reason}`;
    // Shown in the status of the rotation.
    const options = { reason, isDetailShown: true };
    throw new BrokerError(
      'ERR_PROVIDER_DENIED',
      verdict.missing?.slice(0, LONGEST_MISSING),
      options,
    );
  }
  const now = parts.clock.now();
  if (row.kind === 'rotation') return { schedule: { proven_at: now } };
  const { spec } = place;
  return {
    schedule: {
      proven_at: now,
      duration_ms: Math.max(0, now - row.created_at),
      failures: 0,
      next_drill_at: nextDrill(spec, { path: row.path, after: now, rotatedAt: now }) ?? null,
    },
  };
}

/** Makes the credential that works at the target current, even if another value was written to the path meanwhile. */
async function promote(work: StepWork): Promise<StepResult> {
  const { parts, row, place, claim } = work;
  const pending = pendingOf(work);
  const { version, fragment } = await publish(work, pending, row.id);
  const now = parts.clock.now();
  const { spec } = place;
  const next = await nextRun(spec, {
    path: row.path,
    after: now,
    lastRunAt: row.created_at,
    rotatedAt: now,
  });
  const isInterval = spec.schedule !== undefined && 'everySeconds' in spec.schedule;
  claim.stillOurs();
  return {
    ...fragment,
    invalidates: [...new Set([...(fragment?.invalidates ?? []), ...canaryChanged(row.path)])],
    change: { version, promoted_at: now, settle_until: now + spec.graceSeconds * 1000 },
    schedule: {
      rotated_at: now,
      duration_ms: Math.max(0, now - row.created_at),
      failures: 0,
      ...(isInterval && { next_run_at: next ?? null }),
    },
  };
}

async function retire(work: StepWork): Promise<StepResult> {
  const { parts, row, place } = work;
  await revokeSupersededLeases(parts, row);
  const previous = previousOf(work);
  if (previous !== undefined) await place.target.retire(turnOf(work, pendingOf(work)), previous);
  return {};
}

/**
 * Discards the new credential. If the new version is current already, the old one becomes current again: with two slots before the new credential ends,
 * with one slot after the old credential works again, so that the current version works as soon as possible.
 */
async function discard(work: StepWork): Promise<StepResult> {
  const { row, place } = work;
  const pending = openSlot(work.parts, row, 'pending');
  if (pending === undefined) return discardUnknown(work);
  const previous = previousOf(work);
  const isAfter = row.kind === 'rotation' && place.target.slots === 'one';
  if (row.kind === 'rotation' && !isAfter) await restore(work, pending, previous);
  await place.target.discard(turnOf(work, previous), pending);
  if (isAfter) await restore(work, pending, previous);
  return {};
}

/** Reads first: an earlier attempt, or another writer, may have changed the path already. */
async function restore(
  work: StepWork,
  pending: SecretData,
  previous: SecretData | undefined,
): Promise<void> {
  const { parts, row, place, claim } = work;
  const current = await currentValue(place, claim.context);
  if (current === undefined || !isSame(work, current.data, pending)) return;
  if (previous === undefined) {
    throw new BrokerError('ERR_CONFLICT', 'there is no earlier value to roll back to', {
      reason: 'no_previous',
    });
  }
  const { fragment } = await publish(work, previous, `${row.id}-undo`);
  claim.stillOurs();
  const { status } = await parts.store.commit({
    expect: [...(fragment?.expect ?? []), rotationUnchanged(row)],
    writes: fragment?.writes ?? [],
    invalidates: [...new Set([...(fragment?.invalidates ?? []), `secret:${row.path}`])],
  });
  if (status !== 'committed') throw new BrokerError('ERR_BUSY');
}

/**
 * Discards the result of a `create` that stored no value: the target may have created something, and another `create` finds and
 * removes that. A target that refuses to create has created nothing.
 */
async function discardUnknown(work: StepWork): Promise<StepResult> {
  const { parts, place, claim } = work;
  // With one slot, `create` could only end the credential that works.
  if (place.target.slots === 'one') return {};
  const current = (await currentValue(place, claim.context))?.data;
  if (!(await ownsAccounts(parts, place, current, claim.context))) return {};
  try {
    const pending = await place.target.create(turnOf(work, current));
    await place.target.discard(turnOf(work, current), pending);
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code !== 'ERR_CONFLICT') throw error;
    claim.stillOurs();
  }
  return {};
}

async function publish(
  { parts, row, place, claim }: StepWork,
  data: SecretData,
  token: string,
): Promise<{ readonly version: string; readonly fragment?: PlanFragment }> {
  claim.stillOurs();
  const published = await place.publishing.publish(place.locator, data, token, claim.context);
  const { version } = parts.values.value(row.path, { data, version: published.version });
  return { ...published, version };
}

function isSame({ parts, row }: StepWork, left: SecretData, right: SecretData): boolean {
  const fingerprint = (data: SecretData): string =>
    parts.values.value(row.path, { data, version: '' }).fingerprint;
  return fingerprint(left) === fingerprint(right);
}

function turnOf({ row, claim }: StepWork, current: SecretData | undefined): RotationTurn {
  return {
    rotationId: row.id,
    startedAt: row.created_at,
    current,
    context: claim.context,
    isIncident: row.cause === 'incident',
    stillOurs: () => claim.stillOurs(),
  };
}

/** @throws ERR_INTERNAL if a rotation past its first step has no new value. */
function pendingOf({ parts, row }: StepWork): SecretData {
  const pending = openSlot(parts, row, 'pending');
  if (pending === undefined) throw new BrokerError('ERR_INTERNAL');
  return pending;
}

function previousOf({ parts, row }: StepWork): SecretData | undefined {
  return openSlot(parts, row, 'previous');
}

/**
 * Reports whether a rotation may change the accounts of its target. Without this check, a definition that names a foreign account
 * makes the broker reset the account's password, give it to the readers of the path, and lock the owner out. Any of these proves
 * that the accounts belong to the path:
 * - a rotation or drill of the definition already tested a credential of the same accounts;
 * - an admin confirmed it in the definition;
 * - the stored value logs in. It proves one account only, so a pair of users always needs the confirmation.
 */
async function ownsAccounts(
  { store }: Pick<Storage, 'store'>,
  { spec, target, definition }: Pick<RotationTargetRef, 'spec' | 'target' | 'definition'>,
  current: SecretData | undefined,
  context: CallContext,
): Promise<boolean> {
  if (target.locators.length === 0 || spec.takeover === 'confirmed') return true;
  const schedule = await store.get('rotation_schedules', { path: definition.name });
  const isProven = (schedule?.rotated_at ?? schedule?.proven_at ?? null) !== null;
  if (isProven) return true;
  if (current === undefined || target.locators.length > 1) return false;
  return (await target.test(current, context)).accepted;
}

/** Parks the rotation; nothing at the target has changed. */
function takeoverUnproven({ target }: Pick<RotationTargetRef, 'target'>): BrokerError {
  const accounts = target.locators.join(', ');
  const proof = target.locators.length > 1 ? '' : 'store the current credential at this path, or ';
  return new BrokerError(
    'ERR_CONFLICT',
    `nothing proves that ${accounts} belongs to this path: ${proof}have an admin save the definition with "takeover: confirmed"; then retry`,
    { reason: 'takeover_unproven' },
  );
}
