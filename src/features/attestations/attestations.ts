import { BrokerError } from '../../domain/errors.ts';
import type { Page, PageRequest } from '../../domain/page.ts';
import { isInScope } from '../../domain/posture/evidence.ts';
import {
  anchorsOf,
  authoritiesOf,
  SIGNATURE,
  type TrustAnchor,
} from '../../domain/posture/image-trust.ts';
import type { PostureProfile } from '../../domain/posture/profile.ts';
import { measured } from '../../broker/access/measured.ts';
import { authorityEnd, type Call, type Caller } from '../../broker/access/call.ts';
import { decodeCursor, encodeCursor } from '../../broker/state/cursor.ts';
import type { TaskCall } from '../../broker/kernel/task-thread.ts';
import type { Access, Keys, Recording } from '../../broker/state/dependencies.ts';
import {
  recordFailure,
  recordOperation,
  requireRole,
  type Acting,
} from '../../broker/recording/operation.ts';
import { commitAs, entryOf, type Attempt } from '../../broker/recording/record.ts';
import { requireWriter, tenantOf } from '../../broker/recording/evidence-writers.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import {
  attestationId,
  keepSigners,
  openedAttestation,
  type Attestation,
  type Attestations,
} from './attestation-memory.ts';
import { checkSpace } from './attestation-space.ts';
import type { AttestationReader } from './attestation-reader.ts';
import { checkSize, MOST_SIGNATURE_BYTES } from './parse-attestation.ts';
import type { PushedAttestation } from './attestation-thread.ts';
import { anchorId, subjectOf } from './read-attestation.ts';

/** Signatures and attestations of images, and the profiles that may accept them. */
export interface Attesting {
  readonly attestations: Attestations;
  readonly attestationReader: AttestationReader;
  /** Undefined in a broker without posture. */
  readonly profiles?: { readonly all: readonly PostureProfile[] } | undefined;
}

type Parts = Recording & Access & Attesting;

/** An attestation, and the authorities of all profiles that signed it. */
export interface AcceptedAttestation extends Attestation {
  readonly acceptedBy: readonly { readonly profile: string; readonly authority: string }[];
}

/**
 * Stores a signature or attestation of an image. It need not be by a trusted signer: each profile decides that when it judges a pod. Only few of one writer
 * that no authority of a profile signed are kept. Pushing the same again changes nothing.
 * @throws ERR_DENIED, ERR_BODY_INVALID, ERR_BODY_TOO_LARGE, ERR_CONFLICT at a limit
 */
export async function pushAttestation(
  parts: Parts,
  call: Call,
  caller: Caller,
  body: Uint8Array<ArrayBuffer>,
): Promise<{ readonly attestation: AcceptedAttestation; readonly isNew: boolean }> {
  const described = { action: 'attestation.push' } as const;
  const acting = { parts, call, caller };
  try {
    // The thread works for writers only.
    const tenant = tenantOf(requireWriter(parts, caller));
    const pushed = await parts.attestationReader.readPushed(
      workFor(call, tenant),
      body,
      anchorsIn(parts),
    );
    return await parts.attestations.turns.run(tenant, () =>
      commitAs(parts, caller, (decidedAt, now) =>
        measured(parts, call, () => planned({ parts, call, caller: now }, pushed, decidedAt)),
      ),
    );
  } catch (error) {
    return recordFailure(acting, [described], error);
  }
}

type Pushed = Awaited<ReturnType<typeof pushAttestation>>;

function planned(
  { parts, call, caller: now }: Acting<Caller, Parts>,
  pushed: PushedAttestation,
  decidedAt: number,
): Attempt<Pushed> {
  const { content, signers, body } = pushed;
  const { writer: createdBy, scope, fences } = requireWriter(parts, now);
  checkScope(content, scope);
  const digest = subjectOf(pushed);
  if (content.type === SIGNATURE) checkSize(body, MOST_SIGNATURE_BYTES);
  const facts = { digest, id: attestationId(digest, body, scope), body, createdBy, scope };
  const created = { ...facts, createdAt: parts.clock.now(), isRecognized: true, content, signers };
  const opened = accepted(parts, openedAttestation(created));
  const isRecognized = opened.acceptedBy.length > 0;
  const stored = parts.attestations.of(digest).find((each) => isSame(parts, each, opened));
  // The profile that names its authority may be newer than the first push.
  const isKept =
    stored !== undefined &&
    (stored.isRecognized || !isRecognized) &&
    !(stored.id === opened.id && isNews(signers, stored));
  const made = {
    ...created,
    isRecognized,
    ...(stored && { createdAt: stored.createdAt, createdBy: stored.createdBy }),
  };
  const counted = isKept ? [] : checkSpace(parts.attestations, made);
  const id = isKept ? stored.id : made.id;
  const entry = {
    action: 'attestation.push',
    ...factsOf({ digest, id, type: content.type }),
    outcome: 'ok',
  } as const;
  const key = { digest, id };
  return {
    plan: {
      decidedAt,
      reads: [...fences, `attestation:${digest}`, ...counted],
      notAfter: authorityEnd(now),
      ...(!isKept && {
        expect: [
          { table: 'attestations', key, ...(stored ? { match: { id } } : { absent: true }) },
        ],
        writes: [{ table: 'attestations', put: parts.attestations.rowOf(made) }],
        invalidates: [`attestation:${digest}`, ...counted],
      }),
      entries: [entryOf(parts, call, now, entry)],
    },
    settle: () => ({
      attestation: accepted(parts, found(parts, id)),
      isNew: stored === undefined,
    }),
  };
}

function workFor(call: Call, tenant: string): TaskCall {
  const { signal } = call.context();
  return { tenant, signal, spend: (ms) => call.spend(ms) };
}

/** The authorities of all profiles. */
function anchorsIn({ profiles }: Attesting): readonly TrustAnchor[] {
  const anchors = new Map<string, TrustAnchor>();
  for (const { trust } of profiles?.all ?? [])
    for (const anchor of anchorsOf(trust)) anchors.set(anchorId(anchor), anchor);
  return [...anchors.values()];
}

/** Reports whether signers were found that are not known of the stored attestation: their authorities are newer than its push. */
function isNews(signers: PushedAttestation['signers'], stored: Attestation): boolean {
  return [...signers].some(([id, signer]) => signer !== null && !stored.signers.get(id));
}

/**
 * Reports whether the stored attestation makes the pushed one needless: the same bytes, or the same signature for the same images, which as many
 * authorities accept.
 */
function isSame(parts: Attesting, stored: Attestation, pushed: AcceptedAttestation): boolean {
  if (stored.id === pushed.id) return true;
  if (stored.signed !== pushed.signed || !stored.isRecognized) return false;
  const isForSame = stored.scope.join() === pushed.scope.join();
  return isForSame && accepted(parts, stored).acceptedBy.length >= pushed.acceptedBy.length;
}

/** A simple signing names its repository. @throws ERR_DENIED for one that the writer may not speak about */
function checkScope({ repository }: PushedAttestation['content'], scope: readonly string[]): void {
  if (repository === undefined || isInScope(repository, scope)) return;
  const text = `the signature is for ${repository}, and the role evidence-writer of its sender is for ${scope.join(', ')}`;
  throw new BrokerError('ERR_DENIED', text, { reason: 'scope', isDetailShown: true });
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
  return recordOperation({ parts, call, caller: live }, described, async (now) => {
    requireRole(now, ...SEEING);
    const stored = found(parts, id);
    const work = workFor(call, now.operator.name);
    const { signers } = await parts.attestationReader.read(work, stored.body, anchorsIn(parts));
    keepSigners(stored.signers, signers);
    return accepted(parts, stored);
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
  const acceptedBy = (profiles?.all ?? []).flatMap(({ name, trust }) =>
    authoritiesOf(trust, stored, attestations.verified).map((authority) => ({
      profile: name,
      authority,
    })),
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
