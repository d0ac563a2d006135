import { identityOf, type Caller } from '../broker/call.ts';
import { BrokerError, type Problem } from '../domain/errors.ts';
import type { Operation } from './access.ts';
import { answer, answerError, delivered, type Answer } from './answers.ts';
import type { ParsedBody } from './body/parsed-body.ts';
import { hasBody, readBody } from './body/read-body.ts';
import { checkRequest } from './check-request.ts';
import type { Exchange } from './exchange.ts';
import { admit, identify, type Identity } from './identify.ts';
import type { OperationTally } from './operation-tallies.ts';
import type { PathTemplate } from './path-template.ts';
import { NO_QUERY, parseQuery, type Query } from './query.ts';
import { refuse } from './refuse.ts';
import type { Asked, Incoming, Route } from './route.ts';
import { shownProof } from './shown-proof.ts';
import type { Surroundings } from './surroundings.ts';

/** One row with its route, ready to be called and counted. */
export interface Performance {
  readonly operation: Operation;
  readonly template: PathTemplate;
  readonly route: Route<Caller | undefined>;
  readonly tally: OperationTally;
}

/**
 * Checks, identifies, parses, then calls the use case. Use cases record themselves, what they refuse included; what is refused before
 * is recorded here.
 */
export async function perform(
  surroundings: Surroundings,
  exchange: Exchange,
  performance: Performance,
): Promise<void> {
  let identity: Identity | undefined;
  let body: ParsedBody | undefined;
  let run: (asked: Asked<Caller | undefined>) => Promise<Answer>;
  try {
    checkRequest(exchange);
    requireKeys(surroundings, performance.operation);
    identity = await identify(surroundings, exchange, performance.operation);
    const { caller } = identity;
    if (caller !== undefined) {
      exchange.identity = identityOf(caller);
      admit(caller, performance.operation);
    }
    if (saysMuch(performance.operation)) requireRoom(surroundings, exchange);
    const query = queryOf(exchange, performance.route);
    body = await bodyOf(exchange, performance.route);
    run = performance.route.read(
      incoming(surroundings, exchange, { performance, identity, query, body }),
    );
  } catch (error) {
    await refuse(surroundings, exchange, placed(error, body), { caller: identity?.caller });
    return;
  }
  const { caller, proofId } = identity;
  try {
    const made = await run({ parts: surroundings.parts, call: exchange, caller });
    answer(exchange, await delivered(made, caller, proofId));
  } catch (error) {
    const failure = placed(error, body);
    if (exchange.wasRecorded) answerError(surroundings, exchange, failure);
    else await refuse(surroundings, exchange, failure, { caller });
  }
}

/** A sealed broker answers probes alone. @throws ERR_SEALED */
function requireKeys({ parts }: Surroundings, { action }: Operation): void {
  if (action !== undefined && parts.keyring.isSealed) throw new BrokerError('ERR_SEALED');
}

const PROBES: readonly string[] = ['/healthz', '/readyz'];

/** Whose answers are worth counting. Probes are answered whatever waits, and so is what ends, revokes or renews something. */
function saysMuch({ method, path }: Operation): boolean {
  return method === 'GET' ? !PROBES.includes(path) : path.endsWith(':batch');
}

function requireRoom({ waiting }: Surroundings, { holder }: Exchange): void {
  if (!waiting.isFull(holder)) return;
  throw new BrokerError('ERR_RATE_LIMITED', undefined, {
    reason: 'answers_waiting',
    retryAfterSeconds: 1,
  });
}

function incoming(
  { rates, parts, schemes }: Surroundings,
  exchange: Exchange,
  read: {
    readonly performance: Performance;
    readonly identity: Identity;
    readonly query: Query;
    readonly body: ParsedBody | undefined;
  },
): Incoming {
  const { performance, identity, query, body } = read;
  const { url = '', headers } = exchange.request;
  return {
    params: performance.template.parametersOf(pathOf(url)),
    query,
    headers,
    body,
    token: identity.token,
    caller: identity.caller,
    proof: headers['dpop'] === undefined ? undefined : shownProof(exchange.request, schemes),
    limits: parts.limits,
    network: exchange.network,
    rates,
  };
}

/** Of a request target. */
export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

function queryOf(exchange: Exchange, route: Route<Caller | undefined>): Query {
  const { url = '' } = exchange.request;
  const start = url.indexOf('?');
  return start === -1 ? NO_QUERY : parseQuery(url.slice(start + 1), route.query ?? []);
}

async function bodyOf(
  { request }: Exchange,
  { body }: Route<Caller | undefined>,
): Promise<ParsedBody | undefined> {
  if (body !== undefined) return readBody(request, body);
  if (hasBody(request)) {
    throw new BrokerError('ERR_BODY_INVALID', 'this operation takes no body', { reason: 'body' });
  }
  return undefined;
}

/** Gives each problem of a document its line and column in the text that was sent. */
function placed(error: unknown, body: ParsedBody | undefined): unknown {
  if (!(error instanceof BrokerError) || error.problems === undefined || body === undefined)
    return error;
  const problems = error.problems.map((problem): Problem => {
    return problem.line === undefined ? { ...problem, ...body.locate(problem.pointer) } : problem;
  });
  const { code, detail, reason, cause } = error;
  return new BrokerError(code, detail, {
    problems,
    cause,
    ...(reason !== undefined && { reason }),
  });
}
