import { provenChain } from './client-certificate.ts';
import type { IncomingMessage } from 'node:http';
import { identityOf, type Caller } from '../../broker/access/call.ts';
import { holdsAnything } from '../../broker/recording/judge-target.ts';
import { isRecorded } from '../../broker/recording/refusals.ts';
import { requireStepUp } from '../../broker/access/step-up.ts';
import { BrokerError } from '../../domain/errors.ts';
import { isProbe, type Operation } from '../contract/access.ts';
import { answer, answerError, delivered, refuse, type Answer } from './answers.ts';
import { placed, type ParsedBody } from '../../domain/text/parse-body.ts';
import { hasBody, readBody, streamBody } from './body/read-body.ts';
import { checkRequest } from './check-request.ts';
import type { Exchange } from './exchange.ts';
import { explainRefusal } from './explain-refusal.ts';
import { admit, findSealNotice, identify, shownProof, type Identity } from './identify.ts';
import { judgeRequest, type Params } from './judge-request.ts';
import type { OperationTally } from './operation-tallies.ts';
import { NO_QUERY, parseQuery, type Query } from './query.ts';
import { RequestShare, waiting } from './memory-shares.ts';
import type { Admitted, Asked, Incoming, Route } from './route.ts';
import type { ServedParts, Surroundings } from './request-deps.ts';

/**
 * The weight of a millisecond of processor time: a read has weight 1 and costs about a tenth of one. At the default rate, a caller
 * gets a fifth of a processor.
 */
const WEIGHT_OF_MS = 10;

/** An operation with its route and its metrics. */
export interface Performance {
  readonly operation: Operation;
  readonly route: Route<Caller | undefined>;
  readonly tally: OperationTally;
}

/**
 * The steps of each request: check, identify, admit, judge, read, run, wait for required receivers of the log, deliver, answer. A step is asynchronous only if it must wait, so a
 * request whose session, value and lease are in memory waits only for its commit. Use cases and the judgement record their refusals;
 * `perform` records all others. `params` are those of the path.
 */
export async function perform(
  surroundings: Surroundings,
  exchange: Exchange,
  performance: Performance,
  params: Params,
): Promise<void> {
  const { operation, route } = performance;
  const { parts } = surroundings;
  const request: Request = {
    caller: undefined,
    body: undefined,
    share: undefined,
    isRecorded: false,
  };
  try {
    if (route.requireRoom !== undefined) await surroundings.pushTurns.next();
    checkRequest(exchange);
    requireKeys(surroundings, exchange, operation);
    const identified = identify(surroundings, exchange, operation, route.admit !== undefined);
    const identity = identified instanceof Promise ? await identified : identified;
    const { caller } = identity;
    request.caller = caller;
    if (caller !== undefined) take(surroundings, exchange, caller, operation);
    const admitted =
      route.admit && (await admitSender(surroundings, exchange, performance, params));
    requireRoom(surroundings, exchange, operation);
    const query = queryOf(exchange, route);
    const asking = { parts, call: exchange, caller };
    const tenant =
      route.body && caller && (await judgeSender({ ...asking, caller }, performance, params));
    if (route.body === undefined) requireNoBody(exchange);
    const share = new RequestShare(surroundings, exchange, caller, tenant);
    request.share = share;
    const input = { admitted, params, share };
    const { body, stream } = route.body
      ? await readInput(surroundings, exchange, route, input)
      : NO_INPUT;
    request.body = body;
    const asked = { operation, params, query, body, stream, share };
    const run = route.read(incoming(surroundings, exchange, identity, asked));
    const made = await run(asking);
    request.isRecorded = true;
    const acknowledgement = waitIfRequired(parts, operation, made);
    if (acknowledgement !== undefined) await acknowledgement;
    const delivery = delivered(made, caller, identity.proofId);
    answer(surroundings, exchange, delivery instanceof Promise ? await delivery : delivery);
  } catch (error) {
    await refuseOrAnswer(surroundings, exchange, { ...request, operation }, error);
  } finally {
    finish(surroundings, exchange, request);
  }
}

/** Decides before the body is read. Returns the tenant whose tasks for a thread the body belongs to. */
async function judgeSender(
  asking: Asked<Caller>,
  performance: Performance,
  params: Params,
): Promise<string | undefined> {
  await judgeRequest(asking, performance, params);
  return performance.route.requireRoom?.(asking);
}

/** Frees the memory of a request, and charges measured processor time, also that of a refused request. */
function finish({ rates }: Surroundings, { spentMs }: Exchange, { share, caller }: Request): void {
  share?.release();
  if (spentMs > 0 && caller !== undefined) rates.chargeCaller(caller, spentMs * WEIGHT_OF_MS);
}

/**
 * Charges a request whose sender is not proven to its network, and a refused one as a refused token. @throws ERR_UNAUTHENTICATED, ERR_RATE_LIMITED
 */
async function admitSender(
  { parts, rates }: Surroundings,
  exchange: Exchange,
  { route, operation }: Performance,
  params: Params,
): Promise<Admitted | undefined> {
  const { headers } = exchange.request;
  const chain = (): ReturnType<typeof provenChain> => provenChain(exchange);
  try {
    const admitted = await route.admit?.({ parts, params, headers, chain, rates });
    exchange.hasRights = admitted?.isProven === true;
    const { verify } = admitted ?? {};
    if (!exchange.hasRights && verify === undefined)
      rates.takeFromNetwork(exchange.network, operation.weight);
    const proving = { rates, exchange, operation };
    return (
      admitted && {
        ...admitted,
        verify:
          verify && ((bytes) => verify(bytes).catch((error: unknown) => failed(proving, error))),
      }
    );
  } catch (error) {
    return failed({ rates, exchange, operation }, error);
  }
}

/** Charges a refused sender to its network. @throws the error */
function failed(
  {
    rates,
    exchange,
    operation,
  }: Pick<Surroundings, 'rates'> & {
    readonly exchange: Exchange;
    readonly operation: Operation;
  },
  error: unknown,
): never {
  if (error instanceof BrokerError && error.kind === 'unauthenticated') {
    rates.takeFromNetwork(exchange.network, operation.weight);
    rates.failed(exchange.network);
  }
  throw error;
}

/** The progress of a request, for its refusal. */
interface Request {
  caller: Caller | undefined;
  body: ParsedBody | undefined;
  share: RequestShare | undefined;
  /** True if the use case succeeded, so that it has an audit entry. */
  isRecorded: boolean;
}

type Refusal = Request & Pick<Performance, 'operation'>;

async function refuseOrAnswer(
  surroundings: Surroundings,
  exchange: Exchange,
  { caller, body, operation, isRecorded: wasRecorded }: Refusal,
  error: unknown,
): Promise<void> {
  const { parts } = surroundings;
  const failure = explainRefusal(
    { parts, caller, operation },
    placed(BrokerError.from(error), body),
  );
  if (wasRecorded || isRecorded(error)) answerError(surroundings, exchange, failure);
  else await refuse(surroundings, exchange, failure, { caller });
}

/** A sealed broker answers only probes. @throws ERR_SEALED */
function requireKeys(surroundings: Surroundings, exchange: Exchange, operation: Operation): void {
  const { sealedAt } = surroundings.parts.keyring;
  if (sealedAt === undefined || isProbe(operation)) return;
  const seal = findSealNotice(surroundings, exchange);
  const since = new Date(sealedAt).toISOString();
  const detail =
    seal === undefined
      ? `sealed since ${since}, ${SEALED}`
      : `sealed by ${seal.operator} at ${since}, reason: ${seal.reason}; restart each replica to unseal it`;
  const answer = { isDetailShown: true, retryAfterSeconds: Infinity };
  throw new BrokerError('ERR_SEALED', detail, answer);
}

/** A sealed broker cannot authenticate a caller that it does not know from before, so it names neither the person nor the reason. */
const SEALED =
  'until it is restarted; the log of the broker that took the command, and the audit log (broker.seal), say who sealed it and why';

/** Counts body and answer for the caller from now on. @throws ERR_DENIED */
function take(
  { parts }: Surroundings,
  exchange: Exchange,
  caller: Caller,
  operation: Operation,
): void {
  exchange.identity = identityOf(caller);
  exchange.hasRights = holdsAnything({ parts, caller });
  admit(caller, operation);
  if (operation.stepUp === 'always') requireStepUp(parts, caller);
  else if (operation.stepUp === 'values')
    requireStepUp(parts, caller, () => parts.people.stepUp.secretReads);
}

/** Awaits the acknowledgement of a receiver of the log. Only an operation with an audit action has an entry to acknowledge. */
function waitIfRequired(
  parts: Pick<ServedParts, 'receivers' | 'keyring'>,
  { action }: Operation,
  made: Answer,
): Promise<void> | undefined {
  const isNeeded = parts.receivers.isRequired && action !== undefined;
  return isNeeded ? awaitReceivers(parts, made) : undefined;
}

/** @throws ERR_AUDIT_UNACKNOWLEDGED; ERR_SEALED if the broker was sealed while a secret waited. */
async function awaitReceivers(
  { receivers, keyring }: Pick<ServedParts, 'receivers' | 'keyring'>,
  { feed, values }: Answer,
): Promise<void> {
  try {
    await receivers.waitForReceivers();
    if (values !== undefined && keyring.isSealed) throw new BrokerError('ERR_SEALED');
  } catch (error) {
    feed?.cancel();
    throw error;
  }
}

/** Largest body of a sender without rights: such a request can only be refused, unless it is a login. */
const STRANGERS_BYTES = 16_384;
const LARGE = /:(?:apply|batch|replay)$/;
const PROBES: readonly string[] = ['/healthz', '/readyz'];

/**
 * Reports whether answers of the operation can be large. Probes, and operations that end, revoke or renew something, are answered
 * regardless of unread bytes.
 */
function countsAnswer({ method, path }: Operation): boolean {
  return method === 'GET' ? !PROBES.includes(path) : LARGE.test(path);
}

function requireRoom({ shares }: Surroundings, exchange: Exchange, operation: Operation): void {
  if (!countsAnswer(operation) || !shares.answersOf(exchange).isFull(exchange.holder)) return;
  throw waiting('answers_waiting');
}

function incoming(
  { rates, parts, schemes }: Surroundings,
  exchange: Exchange,
  { token, caller }: Identity,
  asked: Pick<Incoming, 'operation' | 'params' | 'query' | 'body' | 'stream' | 'share'>,
): Incoming {
  const { request, network } = exchange;
  const { headers } = request;
  const chain = (): ReturnType<typeof provenChain> => provenChain(exchange);
  const proof = headers['dpop'] === undefined ? undefined : shownProof(request, schemes);
  const { limits } = parts;
  return { ...asked, headers, token, proof, chain, caller, limits, network, rates };
}

/** The path of a request target. */
export function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}

function queryOf(exchange: Exchange, route: Route<Caller | undefined>): Query {
  const { url = '' } = exchange.request;
  const start = url.indexOf('?');
  return start === -1 ? NO_QUERY : parseQuery(url.slice(start + 1), route.query ?? []);
}

/** @throws ERR_BODY_INVALID for a request with a body */
function requireNoBody({ request }: Exchange): void {
  if (!hasBody(request)) return;
  throw new BrokerError('ERR_BODY_INVALID', 'this operation takes no body', { reason: 'body' });
}

/** A body: whole, or in pieces as it arrives. */
type Input = Pick<Incoming, 'body' | 'stream'>;
const NO_INPUT: Input = { body: undefined, stream: undefined };

interface Given {
  readonly admitted: Admitted | undefined;
  readonly params: Params;
  readonly share: RequestShare;
}

async function readInput(
  { parts }: Surroundings,
  exchange: Exchange,
  { body: rules, oversize }: Route<Caller | undefined>,
  { admitted, params, share }: Given,
): Promise<Input> {
  if (rules === undefined) return NO_INPUT;
  const { request, response, hasRights } = exchange;
  if (isAsking(request)) response.writeContinue();
  if (admitted?.streamedBytes !== undefined)
    return { body: undefined, stream: streamBody(request, admitted.streamedBytes) };
  const maxBytes = hasRights ? rules.maxBytes : Math.min(rules.maxBytes, STRANGERS_BYTES);
  try {
    const { verify } = admitted ?? {};
    const body = await readBody(request, { ...rules, maxBytes, verify }, share);
    return { body, stream: undefined };
  } catch (error) {
    if (hasRights && BrokerError.from(error).code === 'ERR_BODY_TOO_LARGE')
      await oversize?.({ parts, params, call: exchange });
    throw error;
  }
}

/** Reports whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1). */
function isAsking({ headers }: IncomingMessage): boolean {
  return headers.expect?.toLowerCase() === '100-continue';
}
