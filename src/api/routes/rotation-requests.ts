import type { IncomingHttpHeaders } from 'node:http';
import * as z from 'zod';
import { ACTIONS, controlRotation, type RotationControl } from '../../rotation/control-rotation.ts';
import { requireStepUp } from '../../broker/access/step-up.ts';
import { requestRotation } from '../../rotation/request-rotation.ts';
import { parseSecretPath } from '../../domain/words/names.ts';
import type { Caller } from '../../broker/access/call.ts';
import { idempotencyKey, remark } from '../request/fields.ts';
import { judgePath } from '../request/judge-request.ts';
import { parseInput, parseParameter } from '../request/parse-input.ts';
import type { Route, RouteOf } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';
import { controlledRotationJson, rotationJson } from '../answer/rotation-json.ts';

const SMALL = { maxBytes: 4_096 };
const comment = remark.min(1).optional();

/** An incident ends the old credential at once, so its request must give a reason. */
const run = z
  .strictObject({ comment, incident: z.boolean().default(false) })
  .refine(({ incident, comment: why }) => !incident || why !== undefined, {
    path: ['comment'],
    message: 'an incident needs one',
  });

export const runRotation: RouteOf<'runRotation'> = {
  body: SMALL,
  judge: judgePath((path) => ({ action: 'rotation.request', path }), 'rotate'),
  read: ({ params, headers, body }) => {
    const path = parseSecretPath(params['path'] ?? '');
    const order = { ...parseInput(run, body?.value), idempotencyKey: keyIn(headers) };
    return async ({ parts, call, caller }) => {
      // An incident does not wait for the holders, so it stops applications.
      requireStepUp(parts, caller, () => order.incident);
      const rotation = { path, kind: 'rotation', ...order } as const;
      return {
        status: 202,
        body: rotationJson(await requestRotation(parts, call, caller, rotation)),
      };
    };
  },
};

const asked = z.strictObject({ comment });

export const drillRotation: RouteOf<'drillRotation'> = {
  body: SMALL,
  judge: judgePath((path) => ({ action: 'rotation.request', path }), 'rotate'),
  read: ({ params, headers, body }) => {
    const path = parseSecretPath(params['path'] ?? '');
    const order = { ...parseInput(asked, body?.value), idempotencyKey: keyIn(headers) };
    return async ({ parts, call, caller }) => ({
      status: 202,
      body: rotationJson(
        await requestRotation(parts, call, caller, {
          path,
          kind: 'drill',
          incident: false,
          ...order,
        }),
      ),
    });
  },
};

function keyIn(headers: IncomingHttpHeaders): string | undefined {
  return parseParameter(idempotencyKey.optional(), headers['idempotency-key']);
}

export const retryRotation = directed('retry');
export const abortRotation = directed('abort');
export const rollBackRotation = directed('rollBack');
export const retireRotation = directed('retire');

function directed(verb: RotationControl['verb']): Route<Caller, Shape<'Rotation'>> {
  return {
    body: SMALL,
    judge: judgePath((path) => ({ action: ACTIONS[verb], path, cause: verb }), 'rotate'),
    read: ({ params, body }) => {
      const path = parseSecretPath(params['path'] ?? '');
      const { comment: why } = parseInput(asked, body?.value);
      return async ({ parts, call, caller }) => ({
        status: 202,
        body: controlledRotationJson(
          await controlRotation(parts, call, caller, { path, verb, comment: why }),
        ),
      });
    },
  };
}
