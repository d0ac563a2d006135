import * as z from 'zod';
import { issueCredential as issue } from '../../broker/credentials/issue-credential.ts';
import { parseSecretPath } from '../../domain/words/names.ts';
import { disclosureJson } from '../answer/disclosure-json.ts';
import { duration, idempotencyKey } from '../request/fields.ts';
import { judgePath } from '../request/judge-request.ts';
import { parseInput, parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';

const order = z.strictObject({ ttl: duration.optional() });

/** Issues a dynamic credential. A repeat with the same `Idempotency-Key` returns the same credential. */
export const issueCredential: RouteOf<'issueCredential'> = {
  body: { maxBytes: 4_096 },
  judge: judgePath((path) => ({ action: 'credential.issue', path }), 'read'),
  read: ({ params, headers, body }) => {
    const path = parseSecretPath(params['path'] ?? '');
    const key = parseParameter(idempotencyKey, headers['idempotency-key']);
    const { ttl } = parseInput(order, body?.value);
    return async ({ parts, call, caller: live }) => {
      const wanted = { path, idempotencyKey: key, ttlSeconds: ttl };
      const disclosure = await issue({ parts, call, live, order: wanted });
      return { status: 201, values: disclosureJson(disclosure) };
    };
  },
};
