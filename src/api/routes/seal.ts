import * as z from 'zod';
import { sealInstallation } from '../../broker/sessions/seal.ts';
import { remark } from '../request/fields.ts';
import { parseInput } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';

const order = z.strictObject({ reason: remark.min(1) });

export const seal: RouteOf<'seal'> = {
  body: { maxBytes: 4_096 },
  read: ({ body }) => {
    const { reason } = parseInput(order, body?.value);
    return async ({ parts, call, caller }) => {
      await sealInstallation(parts, call, caller, reason);
      return { status: 200, body: { sealed: true } };
    };
  },
};
