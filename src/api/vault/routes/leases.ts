import * as z from 'zod';
import type { Answer } from '../../request/answers.ts';
import type { Route } from '../../request/route.ts';
import { identifier } from '../../request/fields.ts';
import { parseInput } from '../../request/parse-input.ts';
import { issueCredential } from '../../../broker/credentials/issue-credential.ts';
import { readLease, releaseLease } from '../../../broker/leases/leases.ts';
import { renewLease } from '../../../broker/leases/renew-lease.ts';
import { revokeLeases } from '../../../broker/leases/revoke-leases.ts';
import { shownSchedule, type ShownSchedule } from '../../../rotation/shown-schedule.ts';
import { readSecret } from '../../../broker/secrets/read-secrets.ts';
import { LiveSession } from '../../../broker/state/session-memory.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { instant } from '../../../domain/time/instant.ts';
import { ByteText } from '../../../domain/words/byte-text.ts';
import { parseSecretPath } from '../../../domain/words/names.ts';
import { envelope, secondsUntil, valuesEnvelope } from '../answers.ts';
import type { CallerRoute, Matched } from '../route.ts';

/** A route that only workloads may call. */
export type WorkloadRoute = (asked: Matched) => Route<LiveSession>;

/** Issues a dynamic credential. Each request gets another one, as from other servers of this API. */
export const issue: WorkloadRoute = ({ path: given, mount, name }) => ({
  read: () => {
    const path = parseSecretPath(given);
    return async ({ parts, call, caller: live }) => {
      const order = { path, idempotencyKey: call.requestId };
      const { value, lease, warning } = await issueCredential({ parts, call, live, order });
      const made = {
        leaseId: `${mount?.name}/creds/${name}/${lease.id}`,
        leaseSeconds: secondsUntil(lease.endsAt, parts.clock.now()),
        renewable: true,
        warnings: warning === undefined ? undefined : [warning],
      };
      return valuesEnvelope(call, made, new ByteText(value.json.toString('latin1')));
    };
  },
});

/** Seconds after which clients read a value without a schedule again. */
const UNSCHEDULED_SECONDS = 300;

/** The members from which clients compute when to read a rotated value again. */
export function scheduleMembers(shown: ShownSchedule): Readonly<Record<string, number>> {
  return { rotation_period: shown.periodSeconds, ttl: shown.seconds };
}

/** Reads the value of a rotated account. */
export const readAccount: CallerRoute = ({ path: given }) => ({
  read: () => {
    const path = parseSecretPath(given);
    return async ({ parts, call, caller }) => {
      const { value, warning } = await readSecret(parts, call, caller, { path });
      const shown = await shownSchedule(parts, path);
      const times = shown ?? { periodSeconds: UNSCHEDULED_SECONDS, seconds: UNSCHEDULED_SECONDS };
      const rotatedAt = value.createdAt ?? parts.clock.now();
      const about = { last_vault_rotation: instant(rotatedAt), ...scheduleMembers(times) };
      const tail = ByteText.of(JSON.stringify(about).slice(1)).latin1;
      const data = new ByteText(`${value.json.toString('latin1').slice(0, -1)},${tail}`);
      return valuesEnvelope(
        call,
        { warnings: warning === undefined ? undefined : [warning] },
        data,
      );
    };
  },
});

export const SMALL = { maxBytes: 4_096, mayBeEmpty: true };
const leaseId = z.string().max(1_024);
const named = z.object({ lease_id: leaseId });
const increment = z
  .union([z.int().min(0), z.string().regex(/^[0-9]{1,9}s?$/, 'is not a number of seconds')])
  .transform((value) => Number.parseInt(String(value), 10));
const renewal = z.object({ lease_id: leaseId, increment: increment.nullish() });

/** The id of the broker's lease is the last part of the id that clients see. */
function idIn(text: string): string | undefined {
  const id = text.slice(text.lastIndexOf('/') + 1);
  return identifier.safeParse(id).success ? id : undefined;
}

/** An answer and no error: the use case recorded the refusal already. */
const NO_LEASE: Answer = { status: 400, body: { errors: ['lease not found'] } };

/** Runs a use case on a lease; the lease of another session is answered like one that does not exist. */
async function onLease(
  text: string,
  absent: Answer,
  use: (id: string) => Promise<Answer>,
): Promise<Answer> {
  const id = idIn(text);
  if (id === undefined) return absent;
  try {
    return await use(id);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_NOT_FOUND') return absent;
    throw error;
  }
}

export const renew: WorkloadRoute = () => ({
  body: SMALL,
  read: ({ body }) => {
    const { lease_id: given, increment: seconds } = parseInput(renewal, body?.value);
    const ttlSeconds = seconds === 0 || seconds === null ? undefined : seconds;
    return ({ parts, call, caller }) =>
      onLease(given, NO_LEASE, async (id) => {
        const { endsAt } = await renewLease(parts, call, caller, { id, ttlSeconds });
        const leaseSeconds = secondsUntil(endsAt, parts.clock.now());
        return envelope(call, { leaseId: given, leaseSeconds, renewable: true });
      });
  },
});

/** Ends a lease that the body or the path names: one of the own session, or any lease for a responder. */
export const revoke: CallerRoute = ({ name }) => ({
  body: SMALL,
  read: ({ body }) => {
    const given = name === '' ? parseInput(named, body?.value).lease_id : name;
    return ({ parts, call, caller }) =>
      onLease(given, { status: 204 }, async (id) => {
        if (caller instanceof LiveSession) await releaseLease(parts, call, caller, id);
        else await revokeLeases(parts, call, caller, { selector: { id } });
        return { status: 204 };
      });
  },
});

export const lookUp: CallerRoute = () => ({
  body: SMALL,
  read: ({ body }) => {
    const { lease_id: given } = parseInput(named, body?.value);
    return ({ parts, call, caller }) =>
      onLease(given, NO_LEASE, async (id) => {
        const { issuedAt, endsAt, path } = await readLease(parts, call, caller, id);
        const data = {
          id: given,
          path,
          issue_time: instant(issuedAt),
          expire_time: instant(endsAt),
          last_renewal: null,
          renewable: true,
          ttl: secondsUntil(endsAt, parts.clock.now()),
        };
        return envelope(call, { data });
      });
  },
});
