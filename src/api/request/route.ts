import type { IncomingHttpHeaders } from 'node:http';
import type { Call, Caller } from '../../broker/access/call.ts';
import type { Limits } from '../../broker/state/dependencies.ts';
import type { PresentedChain } from '../../ports/workload-authenticator.ts';
import type { ShownProof } from '../../broker/access/shown-proof.ts';
import type { LiveOperator } from '../../broker/state/operator-token-memory.ts';
import type { LiveSession } from '../../broker/state/session-memory.ts';
import type { TargetJudgement } from '../../broker/recording/judge-target.ts';
import type { Operation, OperationId, WhoOf } from '../contract/access.ts';
import type { BodyOf } from '../contract/shapes.ts';
import type { Answer } from './answers.ts';
import type { BodyRules } from './body/read-body.ts';
import type { ParsedBody } from '../../domain/text/parse-body.ts';
import type { Query } from './query.ts';
import type { Rates } from './rates.ts';
import type { RequestShare } from './memory-shares.ts';
import type { ServedParts } from './request-deps.ts';

/** A request with valid syntax that is not interpreted yet. */
export interface Incoming {
  readonly operation: Operation;
  /** The parameters of the path, as the client wrote them. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly headers: IncomingHttpHeaders;
  readonly body: ParsedBody | undefined;
  /** The body in pieces as they arrive, for a route that reads it itself. It ends with an error at the limit. */
  readonly stream: AsyncIterable<Buffer> | undefined;
  /** The token that identified the caller; '' if the operation needs none. */
  readonly token: string;
  /** The `DPoP` header with the facts that it must cover; undefined without the header. It is verified if the caller is a bound session. */
  readonly proof: ShownProof | undefined;
  /** The certificate of the client's connection, if it proved one. */
  readonly chain: () => PresentedChain | undefined;
  /** The caller, if the operation needs one. */
  readonly caller: Caller | undefined;
  readonly limits: Limits;
  /** The network, by which a caller without a known identity is counted. */
  readonly network: string;
  /** Rate limits, for requests that cost more than the weight of their operation. */
  readonly rates: Rates;
  /** Share of memory, for an answer that is built item by item. */
  readonly share: RequestShare;
}

interface Callers {
  readonly public: undefined;
  readonly workload: LiveSession;
  readonly operator: LiveOperator;
  readonly caller: Caller;
}

/** The input of a route's verb. */
export interface Asked<C> {
  readonly parts: ServedParts;
  readonly call: Call;
  readonly caller: C;
}

/** The headers of a request whose sender has no token, such as a source of alerts. */
export interface Admission extends Pick<Incoming, 'params' | 'headers' | 'chain' | 'rates'> {
  readonly parts: ServedParts;
}

export interface Admitted {
  /** True if the sender is known already: its body may then be as large as the operation allows. */
  readonly isProven: boolean;
  /**
   * Proves the sender by the bytes of its body, before they are parsed. Such a request is charged to its network only if this refuses it, because others share its
   * address. @throws ERR_UNAUTHENTICATED
   */
  readonly verify?: ((bytes: Uint8Array) => Promise<void>) | undefined;
  /** Limit of a body that the route reads in pieces; undefined if it reads whole bodies. */
  readonly streamedBytes?: number | undefined;
}

/** One operation: reads its input strictly, calls one use case and renders its result. */
export interface Route<C, Body extends object = object> {
  readonly body?: BodyRules;
  /** Names of the query's parameters. */
  readonly query?: readonly string[];
  /** Identifies a sender without a token by its headers, before the body is read. @throws ERR_UNAUTHENTICATED */
  readonly admit?: (asked: Admission) => Promise<Admitted>;
  /** Runs before the refusal of a body that is too large, if `admit` proved its sender. */
  readonly oversize?: (
    asked: Pick<Admission, 'parts' | 'params'> & { readonly call: Call },
  ) => Promise<void>;
  /**
   * The decision on the path's parameters before a body is read; the use case makes the same decision again.
   * @throws ERR_PATH_INVALID, ERR_REQUEST_INVALID
   */
  readonly judge?: (params: Readonly<Record<string, string>>) => TargetJudgement<C & Caller>;
  /**
   * Refuses, after the judgement and before a body is read, what could not be done now. Returns the tenant in whose share the body counts.
   * @throws ERR_BUSY
   */
  readonly requireRoom?: (asked: Asked<C>) => string;
  /** @throws ERR_BODY_INVALID, ERR_UNKNOWN_FIELD, ERR_REQUEST_INVALID, ERR_PATH_INVALID: refusals before any use case runs. */
  readonly read: (incoming: Incoming) => (asked: Asked<C>) => Promise<Answer<Body>>;
}

export type RouteOf<Id extends OperationId> = Route<Callers[WhoOf<Id>], BodyOf<Id>>;
/** All operations, each with the caller type of its row. */
export type Routes = { readonly [Id in OperationId]: RouteOf<Id> };
