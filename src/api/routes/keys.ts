import * as z from 'zod';
import {
  readKeyStatus,
  retireKek as retire,
  rotateRootKey,
  type KeyStatus,
} from '../../broker/keys/rotate-keys.ts';
import type { RewrapReport } from '../../broker/keys/rewrap-report.ts';
import { instant } from '../../domain/time/instant.ts';
import { remark } from '../request/fields.ts';
import { parseInput } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

const order = z.strictObject({ reason: remark.min(1), compromised: z.boolean().default(false) });

export const readKeys: RouteOf<'readKeys'> = {
  read:
    () =>
    async ({ parts, call, caller }) => ({
      status: 200,
      body: keysJson(await readKeyStatus(parts, call, caller)),
    }),
};

export const rotateKeys: RouteOf<'rotateKeys'> = {
  body: { maxBytes: 4_096 },
  read: ({ body }) => {
    const { reason, compromised } = parseInput(order, body?.value);
    return async ({ parts, call, caller }) => {
      const wanted = { comment: reason, isCompromised: compromised };
      return { status: 202, body: keysJson(await rotateRootKey(parts, call, caller, wanted)) };
    };
  },
};

const retirement = z.strictObject({ kek: z.string().min(1).max(512), reason: remark.min(1) });

export const retireKek: RouteOf<'retireKek'> = {
  body: { maxBytes: 4_096 },
  read: ({ body }) => {
    const { kek, reason } = parseInput(retirement, body?.value);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: keysJson(await retire(parts, call, caller, { kek, comment: reason })),
    });
  },
};

function keysJson({ keys, keks, rewrap, isRotating }: KeyStatus): Shape<'KeyStatus'> {
  return {
    rotating: isRotating,
    keys: keys.map(({ createdAt, ...key }) => ({ ...key, createdAt: instant(createdAt) })),
    keks: keks.map(({ isConfigured, ...kek }) => ({ ...kek, configured: isConfigured })),
    ...(rewrap && { rewrap: reportJson(rewrap) }),
  };
}

function reportJson({
  startedAt,
  updatedAt,
  finishedAt,
  exposed,
  ...rest
}: RewrapReport): Shape<'RewrapReport'> {
  return {
    ...rest,
    startedAt: instant(startedAt),
    updatedAt: instant(updatedAt),
    ...(finishedAt !== undefined && { finishedAt: instant(finishedAt) }),
    ...(exposed && { exposed: { ...exposed, before: instant(exposed.before) } }),
  };
}
