import type { IncomingMessage } from 'node:http';
import { identityOf, type Caller } from '../broker/call.ts';
import { holdsAnything } from '../broker/secrets/judge-target.ts';
import { LiveSession } from '../broker/sessions/session-memory.ts';
import { BrokerError, type Problem } from '../domain/errors.ts';
import { isProbe, type Operation } from './access.ts';
import { answer, answerError, delivered } from './answers.ts';
import type { ParsedBody } from './body/parsed-body.ts';
import { hasBody, readBody } from './body/read-body.ts';
import { checkRequest } from './check-request.ts';
import type { Exchange } from './exchange.ts';
import { admit, identify, type Identity } from './identify.ts';
import { judgeRequest } from './judge-request.ts';
import type { OperationTally } from './operation-tallies.ts';
import type { PathTemplate } from './path-template.ts';
import { NO_QUERY, parseQuery, type Query } from './query.ts';
import { refuse } from './refuse.ts';
import { RequestShare, waiting } from './request-share.ts';
import type { Incoming, Route } from './route.ts';
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
 * Checks, identifies, judges the target, reads the body, then calls the use case. Use cases and the judgement record their refusals themselves; what
 * is refused before is recorded here.
 */
export async function perform(
  surroundings: Surroundings,
  exchange: Exchange,
  performance: Performance,
): Promise<void> {
  const { operation, route, template } = performance;
  let caller: Caller | undefined;
  let body: ParsedBody | undefined;
  let share: RequestShare | undefined;
  try {
    checkRequest(exchange);
    requireKeys(surroundings, operation);
    const identity = await identify(surroundings, exchange, operation);
    ({ caller } = identity);
    if (caller !== undefined) take(surroundings, exchange, caller, operation);
    if (saysMuch(operation)) requireRoom(surroundings, exchange);
    const query = queryOf(exchange, route);
    const params = template.parametersOf(pathOf(exchange.request.url ?? ''));
    if (caller !== undefined) {
      await judgeRequest(
        { parts: surroundings.parts, call: exchange, caller },
        performance,
        params,
      );
    }
    share = shareOf(surroundings, exchange, caller);
    body = await bodyOf(exchange, route, share);
    const read = { identity, params, query, body, share };
    const run = route.read(incoming(surroundings, exchange, read));
    const made = await run({ parts: surroundings.parts, call: exchange, caller });
    answer(surroundings, exchange, await delivered(made, caller, identity.proofId));
  } catch (error) {
    const failure = placed(error, body);
    if (exchange.wasRecorded) answerError(surroundings, exchange, failure);
    else await refuse(surroundings, exchange, failure, { caller });
  } finally {
    share?.release();
  }
}

/** A sealed broker answers probes alone. @throws ERR_SEALED */
function requireKeys({ parts }: Surroundings, operation: Operation): void {
  if (parts.keyring.isSealed && !isProbe(operation)) throw new BrokerError('ERR_SEALED');
}

/** From here on the request is this caller's: its answer and body are counted for it. @throws ERR_DENIED */
function take(
  { parts }: Surroundings,
  exchange: Exchange,
  caller: Caller,
  operation: Operation,
): void {
  exchange.identity = identityOf(caller);
  exchange.hasRights = holdsAnything({ parts, caller });
  admit(caller, operation);
}

function shareOf(
  { shares, rates }: Surroundings,
  exchange: Exchange,
  caller: Caller | undefined,
): RequestShare {
  const { holder } = exchange;
  return new RequestShare({
    bodies: { held: shares.bodiesOf(exchange), holder: bodyHolderOf(exchange, caller) ?? holder },
    answers: { held: shares.answersOf(exchange), holder },
    rates,
    caller,
  });
}

/** Each pod of a workload with rights has a share for its bodies, so that none keeps its siblings from renewing what they hold. */
function bodyHolderOf({ hasRights }: Exchange, caller: Caller | undefined): string | undefined {
  if (!hasRights || !(caller instanceof LiveSession)) return undefined;
  const { cluster, pod } = caller.session.workload;
  return pod === undefined ? undefined : `${cluster}/${pod.uid}`;
}

/** Of a body whose sender holds nothing: no answer to it can be more than a refusal, but for a login. */
const STRANGERS_BYTES = 16_384;
const PROBES: readonly string[] = ['/healthz', '/readyz'];

/** Whose answers are worth counting. Probes are answered whatever waits, and so is what ends, revokes or renews something. */
function saysMuch({ method, path }: Operation): boolean {
  return method === 'GET' ? !PROBES.includes(path) : path.endsWith(':batch');
}

function requireRoom({ shares }: Surroundings, exchange: Exchange): void {
  if (!shares.answersOf(exchange).isFull(exchange.holder)) return;
  throw waiting('answers_waiting');
}

function incoming(
  { rates, parts, schemes }: Surroundings,
  exchange: Exchange,
  read: Pick<Incoming, 'params' | 'query' | 'body' | 'share'> & { readonly identity: Identity },
): Incoming {
  const { identity, ...asked } = read;
  const { headers } = exchange.request;
  return {
    ...asked,
    headers,
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
  { request, response, hasRights }: Exchange,
  { body }: Route<Caller | undefined>,
  share: RequestShare,
): Promise<ParsedBody | undefined> {
  if (body === undefined) {
    if (!hasBody(request)) return undefined;
    throw new BrokerError('ERR_BODY_INVALID', 'this operation takes no body', { reason: 'body' });
  }
  if (isAsking(request)) response.writeContinue();
  const maxBytes = hasRights ? body.maxBytes : Math.min(body.maxBytes, STRANGERS_BYTES);
  return readBody(request, { ...body, maxBytes }, share);
}

/** Whether the client waits for a word before it sends the body (RFC 9110 §10.1.1). */
function isAsking({ headers }: IncomingMessage): boolean {
  return headers.expect?.toLowerCase() === '100-continue';
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
