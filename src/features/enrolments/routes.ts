import * as z from 'zod';
import { createCode, endEnrolment as end, listEnrolments as list } from './enrolments.ts';
import { joinCluster as join } from './join-cluster.ts';
import { BrokerError } from '../../domain/errors.ts';
import { instant } from '../../domain/time/instant.ts';
import { objectName } from '../../api/request/fields.ts';
import { parseInput, parseParameter } from '../../api/request/parse-input.ts';
import type { RouteOf } from '../../api/request/route.ts';

const JOIN_BYTES = 32_768;

const joining = z.strictObject({
  code: z.string().min(1).max(256),
  token: z.string().min(1).max(16_384),
});

export const enrollCluster: RouteOf<'enrollCluster'> = {
  read: ({ params }) => {
    const name = parseParameter(objectName, params['name']);
    return async ({ parts, call, caller }) => {
      const { code, endsAt } = await createCode(parts, call, caller, name);
      return { status: 201, body: { code, endsAt: instant(endsAt) } };
    };
  },
};

/** The caller has no identity of its own: the code admits it. */
export const joinCluster: RouteOf<'joinCluster'> = {
  body: { maxBytes: JOIN_BYTES },
  read: ({ params, body, network, rates }) => {
    const cluster = parseParameter(objectName, params['name']);
    const { code, token } = parseInput(joining, body?.value);
    return async ({ parts, call }) => {
      const endsAt = await join(parts, call, { cluster, code, token }).catch((error: unknown) => {
        if (BrokerError.from(error).kind === 'unauthenticated') rates.failed(network);
        throw error;
      });
      return { status: 200, body: { cluster, endsAt: instant(endsAt) } };
    };
  },
};

export const listEnrolments: RouteOf<'listEnrolments'> = {
  read:
    () =>
    async ({ parts, call, caller }) => ({
      status: 200,
      body: {
        items: (await list(parts, call, caller)).map(({ cluster, codeEndsAt, credential }) => ({
          cluster,
          ...(codeEndsAt !== undefined && { codeEndsAt: instant(codeEndsAt) }),
          ...(credential !== undefined && {
            credentialEndsAt: instant(credential.endsAt),
            renewsAt: instant(credential.renewAt),
          }),
        })),
      },
    }),
};

export const endEnrolment: RouteOf<'endEnrolment'> = {
  read: ({ params }) => {
    const name = parseParameter(objectName, params['name']);
    return async ({ parts, call, caller }) => {
      await end(parts, call, caller, name);
      return { status: 204 };
    };
  },
};
