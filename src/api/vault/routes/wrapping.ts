import * as z from 'zod';
import type { Answer } from '../../request/answers.ts';
import type { Asked, Incoming, Route } from '../../request/route.ts';
import { parseInput } from '../../request/parse-input.ts';
import { authenticate } from '../../../broker/access/authenticate.ts';
import type { Call, Caller } from '../../../broker/access/call.ts';
import {
  lookUpWrapping as lookUp,
  rewrapAnswer,
  unwrapAnswer,
  wrapAnswer,
  type NewWrapping,
  type WrapOrder,
} from '../../../broker/secrets/wrapped-answers.ts';
import { LiveSession } from '../../../broker/state/session-memory.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { instant } from '../../../domain/time/instant.ts';
import { ByteText } from '../../../domain/words/byte-text.ts';
import { envelope, secondsUntil, valuesEnvelope } from '../answers.ts';
import type { WorkloadRoute } from './leases.ts';
import type { PublicRoute } from '../route.ts';

type Wrapped = Omit<WrapOrder, 'answer'>;

/** Keeps the answer of a route, and answers with the token that opens it. Only workloads wrap: what they wrapped ends with their session. */
export function wrapped(
  route: Route<Caller | undefined>,
  order: Wrapped,
): Route<Caller | undefined> {
  return {
    ...route,
    read: (incoming) => {
      const run = route.read(incoming);
      return async (asked) => {
        const { parts, call, caller } = asked;
        if (caller === undefined) return wrapLogin(asked, order, await run(asked));
        if (!(caller instanceof LiveSession)) {
          throw new BrokerError('ERR_REQUEST_INVALID', 'only workloads can wrap answers', {
            reason: 'wrap_ttl',
          });
        }
        let made: Answer = { status: 404 };
        const answer = async (): Promise<Buffer | undefined> => {
          made = await run(asked);
          return made.status === 200 ? bytesOf(made) : undefined;
        };
        const wrapping = await wrapAnswer(parts, call, caller, { ...order, answer });
        return wrapping === undefined ? made : wrappingAnswer(call, wrapping);
      };
    },
  };
}

const loggedIn = z.object({ auth: z.object({ client_token: z.string(), accessor: z.string() }) });

/** Wraps the answer of a login on behalf of the session that it opened. */
async function wrapLogin(
  { parts, call }: Asked<Caller | undefined>,
  order: Wrapped,
  made: Answer,
): Promise<Answer> {
  const { auth } = loggedIn.parse(made.body);
  const live = await authenticate(parts, call, auth.client_token);
  if (!(live instanceof LiveSession)) {
    throw new BrokerError('ERR_REQUEST_INVALID', 'only logins of workloads can be wrapped', {
      reason: 'wrap_ttl',
    });
  }
  const answer = (): Promise<Buffer> => Promise.resolve(bytesOf(made));
  const wrapping = await wrapAnswer(parts, call, live, { ...order, answer });
  return wrapping === undefined ? made : wrappingAnswer(call, wrapping, auth.accessor);
}

function bytesOf({ values, body }: Answer): Buffer {
  return values === undefined ? Buffer.from(JSON.stringify(body)) : values.bytes();
}

function wrappingAnswer(call: Call, wrapping: NewWrapping, wrappedAccessor = ''): Answer {
  const { token, id, creationPath, createdAt, endsAt } = wrapping;
  const wrapInfo = {
    token,
    accessor: id,
    ttl: secondsUntil(endsAt, createdAt),
    creation_time: instant(createdAt),
    creation_path: creationPath,
    wrapped_accessor: wrappedAccessor,
  };
  return envelope(call, { wrapInfo });
}

/** Answers with the data of the caller, so that it can be wrapped. */
export const wrapData: WorkloadRoute = () => ({
  body: { maxBytes: 65_536 },
  read: ({ body, headers }) => {
    if (headers['x-vault-wrap-ttl'] === undefined) {
      throw new BrokerError('ERR_REQUEST_INVALID', 'X-Vault-Wrap-TTL says how long to wrap', {
        reason: 'wrap_ttl',
      });
    }
    const data = parseInput(z.record(z.string(), z.json()), body?.value);
    return ({ call }) =>
      Promise.resolve(valuesEnvelope(call, {}, ByteText.of(JSON.stringify(data))));
  },
});

const SMALL = { maxBytes: 4_096, mayBeEmpty: true };
const BEARER = /^Bearer /;
const held = z.object({ token: z.string().max(256).optional() }).nullish();

/** Clients send the wrapping token in the body, or in the place of their own. */
function tokenOf({ body, headers }: Incoming): string {
  const { authorization = '' } = headers;
  return parseInput(held, body?.value)?.token ?? authorization.replace(BEARER, '');
}

/** An answer and no error: the use case recorded the refusal already. */
const NO_WRAPPING: Answer = {
  status: 400,
  body: { errors: ['wrapping token is not valid or does not exist'] },
};

type Use = (asked: Asked<undefined>, token: string) => Promise<Answer>;

/** A route for the holder of a wrapping token. A refused token counts against its network. */
function holderRoute(use: Use): PublicRoute {
  return () => ({
    body: SMALL,
    read: (incoming) => {
      const { rates, network } = incoming;
      const token = tokenOf(incoming);
      return async (asked) => {
        try {
          return await use(asked, token);
        } catch (error) {
          if (!(error instanceof BrokerError) || error.code !== 'ERR_TOKEN_INVALID') throw error;
          rates.failed(network);
          return NO_WRAPPING;
        }
      };
    },
  });
}

/** Answers with the answer that was wrapped, once. */
export const unwrap = holderRoute(async ({ parts, call }, token) => {
  const answer = await unwrapAnswer(parts, call, token);
  return { status: 200, values: new ByteText(answer.toString('latin1')) };
});

export const rewrap = holderRoute(async ({ parts, call }, token) =>
  wrappingAnswer(call, await rewrapAnswer(parts, call, token)),
);

export const lookUpWrapping = holderRoute(async ({ parts, call }, token) => {
  const { creationPath, createdAt, endsAt } = await lookUp(parts, call, token);
  const data = {
    creation_path: creationPath,
    creation_time: instant(createdAt),
    creation_ttl: secondsUntil(endsAt, createdAt),
  };
  return envelope(call, { data });
});
