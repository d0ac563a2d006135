import * as z from 'zod';
import type { Attestation } from './attestation-memory.ts';
import {
  deleteAttestation as remove,
  listAttestations as list,
  pushAttestation as push,
  readAttestation as read,
  type AcceptedAttestation,
} from './attestations.ts';
import { MOST_ATTESTATION_BYTES } from './parse-attestation.ts';
import { judgeWriter, requireWriter, tenantOf } from '../../broker/recording/evidence-writers.ts';
import { instant } from '../../domain/time/instant.ts';
import { identifier, remark } from '../../api/request/fields.ts';
import { PAGE_QUERY, readPage, pageJson } from '../../api/request/page-query.ts';
import { bytesOf } from '../../api/request/body/read-body.ts';
import { parseParameter } from '../../api/request/parse-input.ts';
import type { RouteOf } from '../../api/request/route.ts';
import type { Shape } from '../../api/contract/shapes.ts';

const digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'must be a digest such as sha256:<64 hexadecimal digits>')
  .optional();

export const pushAttestation: RouteOf<'pushAttestation'> = {
  body: { maxBytes: MOST_ATTESTATION_BYTES + 4_096, isForThread: true },
  judge: () => judgeWriter({ action: 'attestation.push' }),
  requireRoom: ({ parts, call, caller }) => {
    const tenant = tenantOf(requireWriter(parts, caller));
    parts.attestationReader.requireRoom({ tenant, spend: (ms) => call.spend(ms) });
    return tenant;
  },
  read: ({ body }) => {
    const bytes = bytesOf(body);
    return async ({ parts, call, caller }) => {
      const { attestation, isNew } = await push(parts, call, caller, bytes);
      return { status: isNew ? 201 : 200, body: acceptedJson(attestation) };
    };
  },
};

export const listAttestations: RouteOf<'listAttestations'> = {
  query: ['digest', ...PAGE_QUERY],
  read: ({ query }) => {
    const wanted = { digest: parseParameter(digest, query.get('digest')), page: readPage(query) };
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: pageJson(await list(parts, call, caller, wanted), attestationJson),
    });
  },
};

export const readAttestation: RouteOf<'readAttestation'> = {
  read: ({ params }) => {
    const id = parseParameter(identifier, params['id']);
    return async ({ parts, call, caller }) => {
      const attestation = await read(parts, call, caller, id);
      const content = JSON.parse(Buffer.from(attestation.body).toString()) as Record<
        string,
        unknown
      >;
      return { status: 200, body: { ...acceptedJson(attestation), attestation: content } };
    };
  },
};

export const deleteAttestation: RouteOf<'deleteAttestation'> = {
  query: ['reason'],
  read: ({ params, query }) => {
    const id = parseParameter(identifier, params['id']);
    const reason = parseParameter(remark.min(1).optional(), query.get('reason'));
    return async ({ parts, call, caller }) => {
      await remove(parts, call, caller, { id, reason });
      return { status: 204 };
    };
  },
};

function acceptedJson(attestation: AcceptedAttestation): Shape<'AcceptedAttestation'> {
  return { ...attestationJson(attestation), acceptedBy: attestation.acceptedBy };
}

function attestationJson(attestation: Attestation): Shape<'Attestation'> {
  const { id, digest: image, type, repository, builder, scannedAt, scope, body } = attestation;
  return {
    id,
    digest: image,
    type,
    bytes: body.length,
    ...(repository !== undefined && { repository }),
    ...(builder !== undefined && { builder }),
    ...(scope.length > 0 && { scope }),
    ...(scannedAt !== undefined && { scannedAt: instant(scannedAt) }),
    createdAt: instant(attestation.createdAt),
    createdBy: attestation.createdBy,
  };
}
