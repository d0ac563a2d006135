import { BrokerError } from '../../domain/errors.ts';
import type { Page, PageRequest } from '../../domain/page.ts';
import { isWorkloadId } from '../../domain/identity/workload.ts';
import { authoritiesOf, SIGNATURE } from '../../domain/posture/image-trust.ts';
import type { PostureProfile } from '../../domain/posture/profile.ts';
import { measured } from '../access/measured.ts';
import { authorityEnd, type Call, type Caller } from '../access/call.ts';
import { decodeCursor, encodeCursor } from '../state/cursor.ts';
import type { Access, Keys, Recording } from '../state/dependencies.ts';
import { recordFailure, recordOperation, requireRole } from '../recording/operation.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import { requireWriter } from '../recording/evidence-writers.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { attestationId, type Attestation, type Attestations } from './attestation-memory.ts';
import {
  MOST_ATTESTATION_BYTES,
  MOST_SIGNATURE_BYTES,
  parseAttestation,
  type ParsedAttestation,
} from './parse-attestation.ts';

/** Signatures and attestations of images, and the profiles that may accept them. */
export interface Attesting {
  readonly attestations: Attestations;
  readonly profiles: { readonly all: readonly PostureProfile[] };
}

type Parts = Recording & Access & Attesting;

/**
 * Limit of attestations of an image. Every replica keeps all of them in memory. Workloads can fill half, so that they leave space
 * for operators.
 */
const MOST_OF_IMAGE = 50;
const MOST = 10_000;
const MOST_BYTES = 32 * 1_048_576;
/** Share of a limit above which pushes are decided one after another, so that pushes at the same moment do not exceed it together. */
const NEAR = 0.9;
const COUNTED = 'attestations:count';

/** An attestation, and the authorities of all profiles that signed it. */
export interface AcceptedAttestation extends Attestation {
  readonly acceptedBy: readonly { readonly profile: string; readonly authority: string }[];
}

export interface Push {
  /** Digest of the image; needed if a statement is about several. */
  readonly digest?: string | undefined;
  readonly attestation: unknown;
}

/**
 * Stores a signature or attestation of an image. It need not be by a trusted signer: each profile decides that when it judges a pod. Pushing the same again
 * changes nothing.
 * @throws ERR_DENIED, ERR_BODY_INVALID, ERR_BODY_TOO_LARGE, ERR_CONFLICT at a limit
 */
export async function pushAttestation(
  parts: Parts,
  call: Call,
  caller: Caller,
  { digest: wanted, attestation: value }: Push,
): Promise<{ readonly attestation: AcceptedAttestation; readonly isNew: boolean }> {
  const described = { action: 'attestation.push' } as const;
  return commitAs(parts, caller, (decidedAt, now): Attempt<Pushed> => {
    const { writer: createdBy, fences } = requireWriter(parts, now);
    const parsed = measured(parts, call, () => parseAttestation(value));
    const digest = subjectOf(parsed, wanted);
    const body = Buffer.from(JSON.stringify(value));
    checkSize(parsed, body);
    const id = attestationId(digest, body);
    const stored = parts.attestations.of(digest).find((each) => each.id === id);
    const isNear =
      stored === undefined && checkLimits(parts, { digest, bytes: body.length, createdBy });
    const counted = isNear ? [COUNTED] : [];
    const made = { digest, id, body, createdAt: parts.clock.now(), createdBy };
    const entry = {
      ...described,
      ...factsOf({ digest, id, type: parsed.type }),
      outcome: 'ok',
    } as const;
    return {
      plan: {
        decidedAt,
        reads: [...fences, `attestation:${digest}`, ...counted],
        notAfter: authorityEnd(now),
        ...(stored === undefined && {
          expect: [{ table: 'attestations', key: { digest, id }, absent: true }],
          writes: [{ table: 'attestations', put: parts.attestations.seal(made) }],
          invalidates: [`attestation:${digest}`, ...counted],
        }),
        entries: [entryOf(parts, call, now, entry)],
      },
      settle: () => ({
        attestation: measured(parts, call, () => accepted(parts, found(parts, id))),
        isNew: stored === undefined,
      }),
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller }, [described], error));
}

type Pushed = Awaited<ReturnType<typeof pushAttestation>>;

function subjectOf({ subjects }: ParsedAttestation, wanted: string | undefined): string {
  const [only, ...more] = subjects;
  if (wanted !== undefined && subjects.includes(wanted)) return wanted;
  if (wanted === undefined && only !== undefined && more.length === 0) return only;
  const message =
    wanted === undefined
      ? `must name the image, because the statement is about ${subjects.length}`
      : 'is not an image that the statement is about';
  throw new BrokerError('ERR_BODY_INVALID', undefined, {
    problems: [{ pointer: '/digest', message }],
    reason: 'digest_mismatch',
  });
}

function checkSize({ type }: ParsedAttestation, body: Uint8Array): void {
  const most = type === SIGNATURE ? MOST_SIGNATURE_BYTES : MOST_ATTESTATION_BYTES;
  if (body.length <= most) return;
  throw new BrokerError('ERR_BODY_TOO_LARGE', `it has ${body.length} bytes; the limit is ${most}`, {
    isDetailShown: true,
  });
}

/**
 * @returns whether the push is near a limit of all images.
 * @throws ERR_CONFLICT
 */
function checkLimits(
  { attestations }: Pick<Attesting, 'attestations'>,
  {
    digest,
    bytes,
    createdBy,
  }: { readonly digest: string; readonly bytes: number; readonly createdBy: string },
): boolean {
  const ofImage = attestations.of(digest).length;
  const advice = 'an operator deletes some: quaymaster attestation rm';
  if (ofImage >= MOST_OF_IMAGE) {
    throw new BrokerError(
      'ERR_CONFLICT',
      `the image has ${ofImage} attestations, the most it may have; ${advice}`,
    );
  }
  if (attestations.count >= MOST || attestations.bytes + bytes > MOST_BYTES) {
    throw new BrokerError(
      'ERR_CONFLICT',
      `the broker has ${attestations.count} attestations with ${attestations.bytes} bytes; the most are ${MOST} and ${MOST_BYTES} bytes; ${advice}`,
    );
  }
  const isNear = attestations.count >= NEAR * MOST || attestations.bytes >= NEAR * MOST_BYTES;
  if (!isWorkloadId(createdBy)) return isNear;
  const pushed = (list: readonly Attestation[]) =>
    list.filter((each) => isWorkloadId(each.createdBy)).length;
  const ofWorkloads = { image: pushed(attestations.of(digest)), all: pushed(attestations.all()) };
  if (ofWorkloads.image < MOST_OF_IMAGE / 2 && ofWorkloads.all < MOST / 2)
    return isNear || ofWorkloads.all >= (NEAR * MOST) / 2;
  throw new BrokerError(
    'ERR_CONFLICT',
    `workloads pushed ${ofWorkloads.image} attestations of the image and ${ofWorkloads.all} in all; the most are ${MOST_OF_IMAGE / 2} and ${MOST / 2}; ${advice}`,
  );
}

const SEEING = ['evidence-writer', 'policy-editor', 'responder', 'auditor'] as const;

/** Lists attestations, ordered by digest, then by id. @throws ERR_DENIED, ERR_REQUEST_INVALID */
export function listAttestations(
  parts: Parts & Pick<Keys, 'keyring'>,
  call: Call,
  live: LiveOperator,
  { digest, page }: { readonly digest: string | undefined; readonly page: PageRequest },
): Promise<Page<Attestation>> {
  const described = { action: 'attestation.list', query: digest && `digest=${digest}` } as const;
  return recordOperation({ parts, call, caller: live }, described, (now) => {
    requireRole(now, ...SEEING);
    const { attestations } = parts;
    const all = digest === undefined ? attestations.all() : attestations.of(digest);
    const list = `attestations/${digest ?? ''}`;
    const after = decodeCursor(parts, list, page.after) as string | undefined;
    const begin = after === undefined ? 0 : all.findIndex((each) => placeOf(each) > after);
    const rest = begin === -1 ? [] : all.slice(begin);
    const items = rest.slice(0, page.limit);
    const last = items.at(-1);
    if (last === undefined || items.length === rest.length) return { items };
    return { items, next: encodeCursor(parts, list, placeOf(last)) };
  });
}

function placeOf({ digest, id }: Attestation): string {
  return `${digest} ${id}`;
}

/** Reads an attestation, with the authorities that accept it now. @throws ERR_DENIED, ERR_NOT_FOUND */
export function readAttestation(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  id: string,
): Promise<AcceptedAttestation> {
  const described = { action: 'attestation.list', document: documentOf(id) } as const;
  return recordOperation({ parts, call, caller: live }, described, (now) => {
    requireRole(now, ...SEEING);
    return accepted(parts, found(parts, id));
  });
}

/** Deletes an attestation. Pods whose image needs it are refused from this commit on. @throws ERR_DENIED, ERR_NOT_FOUND */
export async function deleteAttestation(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  { id, reason }: { readonly id: string; readonly reason?: string | undefined },
): Promise<void> {
  const described = {
    action: 'attestation.delete',
    document: documentOf(id),
    comment: reason,
  } as const;
  await commitAs(parts, live, (decidedAt, now): Attempt<undefined> => {
    requireRole(now, 'responder');
    const stored = found(parts, id);
    const key = { digest: stored.digest, id };
    const entry = { ...described, ...factsOf(stored), outcome: 'ok' } as const;
    return {
      plan: {
        decidedAt,
        reads: now.fences,
        notAfter: now.operator.endsAt,
        expect: [{ table: 'attestations', key, match: { id } }],
        writes: [{ table: 'attestations', remove: key }],
        // A read that was allowed because of it must be decided again.
        invalidates: [`attestation:${stored.digest}`, 'policies:all'],
        entries: [entryOf(parts, call, now, entry)],
      },
      settle: () => undefined,
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

function accepted({ profiles, attestations }: Attesting, stored: Attestation): AcceptedAttestation {
  const acceptedBy = profiles.all.flatMap(({ name, trust }) =>
    authoritiesOf(trust, stored, attestations).map((authority) => ({ profile: name, authority })),
  );
  return { ...stored, acceptedBy };
}

function found({ attestations }: Pick<Attesting, 'attestations'>, id: string): Attestation {
  const stored = attestations.find(id);
  if (stored === undefined) throw new BrokerError('ERR_NOT_FOUND');
  return stored;
}

function factsOf({ digest, id, type }: Pick<Attestation, 'digest' | 'id' | 'type'>) {
  return { document: documentOf(id), query: `digest=${digest} type=${type}` };
}

function documentOf(name: string): { readonly kind: string; readonly name: string } {
  return { kind: 'attestation', name };
}
