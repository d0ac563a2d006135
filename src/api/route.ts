import type { IncomingHttpHeaders } from 'node:http';
import type { Call, Caller } from '../broker/call.ts';
import type { Limits, Parts } from '../broker/parts.ts';
import type { ShownProof } from '../broker/sessions/proof/shown-proof.ts';
import type { LiveOperator } from '../broker/sessions/operator-token-memory.ts';
import type { LiveSession } from '../broker/sessions/session-memory.ts';
import type { TargetJudgement } from '../broker/secrets/judge-target.ts';
import type { OperationId, WhoOf } from './access.ts';
import type { Answer } from './answers.ts';
import type { BodyRules } from './body/read-body.ts';
import type { ParsedBody } from './body/parsed-body.ts';
import type { Query } from './query.ts';
import type { Rates } from './rates.ts';
import type { RequestShare } from './request-share.ts';

/** A request after its syntax was checked, before its meaning is. */
export interface Incoming {
  /** The parameters of the path, as written. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  readonly headers: IncomingHttpHeaders;
  readonly body: ParsedBody | undefined;
  /** The token that the caller was identified by; '' where none is asked for. */
  readonly token: string;
  /** What the header `DPoP` says, and what it has to be about; undefined without one. Where the caller is a bound session it was checked. */
  readonly proof: ShownProof | undefined;
  /** Who asks, where the operation wants to know. */
  readonly caller: Caller | undefined;
  readonly limits: Limits;
  /** What a caller without a known identity is counted by. */
  readonly network: string;
  /** For what weighs more than its operation says. */
  readonly rates: Rates;
  /** For an answer that is built piece by piece. */
  readonly share: RequestShare;
}

interface Callers {
  readonly public: undefined;
  readonly workload: LiveSession;
  readonly operator: LiveOperator;
  readonly caller: Caller;
}

/** What the one verb of a route is called with. */
export interface Asked<C> {
  readonly parts: Parts;
  readonly call: Call;
  readonly caller: C;
}

/** One operation: reads its input strictly, then calls one use case and shapes what comes of it. */
export interface Route<C> {
  readonly body?: BodyRules;
  /** Names of the query's parameters. */
  readonly query?: readonly string[];
  /**
   * What is decided on the parameters of the path before a body is read; the use case decides the same again.
   * @throws ERR_PATH_INVALID, ERR_REQUEST_INVALID
   */
  readonly judge?: (params: Readonly<Record<string, string>>) => TargetJudgement<C & Caller>;
  /** @throws ERR_BODY_INVALID, ERR_UNKNOWN_FIELD, ERR_REQUEST_INVALID, ERR_PATH_INVALID: refusals that no use case sees. */
  readonly read: (incoming: Incoming) => (asked: Asked<C>) => Promise<Answer>;
}

export type RouteOf<Id extends OperationId> = Route<Callers[WhoOf<Id>]>;
/** All operations, each with what its row says of its caller. */
export type Routes = { readonly [Id in OperationId]: RouteOf<Id> };
