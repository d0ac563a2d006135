import type { RequestListener } from 'node:http';
import type { RequestHandler, Router } from 'express';
import type { Metrics } from '../../ports/metrics.ts';
import type { Caller } from '../../broker/access/call.ts';
import type { MachineFacts } from '../routes/probes.ts';
import { BrokerError } from '../../domain/errors.ts';
import { ACCESS, isProbe, type OperationId } from '../contract/access.ts';
import { refuse } from '../request/answers.ts';
import { errorAnswer } from '../answer/error-answer.ts';
import { canonicalTarget } from '../request/canonical-target.ts';
import { checkRequest } from '../request/check-request.ts';
import type { LimitsConfig } from '../config.ts';
import { Console, type ConsoleDeps } from '../console/console.ts';
import type { Drain } from '../request/drain.ts';
import { Exchange } from '../request/exchange.ts';
import {
  createExpressApp,
  createRouter,
  exceptHead,
  listenerOf,
  refuseErrors,
  type Api,
} from '../request/express-app.ts';
import { openApiJson } from '../open-api.ts';
import { OperationTallies } from '../request/operation-tallies.ts';
import { PathTemplate } from '../contract/path-template.ts';
import type { Params } from '../request/judge-request.ts';
import { pathOf, perform, type Performance } from '../request/perform.ts';
import { Rates } from '../request/rates.ts';
import { RequestIds } from '../request/request-ids.ts';
import { PushTurns } from '../request/push-turns.ts';
import { RequestLog } from '../request/request-log.ts';
import type { Route, Routes } from '../request/route.ts';
import { coreRoutes } from '../routes/index.ts';
import { Shares } from '../request/memory-shares.ts';
import type { SourceAddress } from '../request/source-address.ts';
import type { Face, ServedParts, Surroundings } from '../request/request-deps.ts';

const SECRETS = '/api/v1/secrets/';
const SESSIONS = '/api/v1/sessions';

/** Dependencies of the API besides the broker's parts. */
export interface ApiDeps {
  /** Random name of this start; request ids begin with it. Lower-case letters and digits. */
  readonly boot: string;
  /** Limits, which may change while the broker runs. */
  readonly limits: LimitsConfig;
  readonly sources: SourceAddress;
  /** Schemes by which clients may reach the listener: `http`, `https`, or both behind a proxy that terminates TLS. */
  readonly schemes: readonly string[];
  readonly drain: Drain;
  /** Codes that say why the broker should get no requests now; empty: it is ready. */
  readonly unready: () => readonly string[];
  readonly held: MachineFacts['held'];
  /** Codes of conditions that an operator should change; requests are served nevertheless. */
  readonly warnings: () => readonly string[];
  readonly status: MachineFacts['status'];
  /** Registry in which other modules register their gauges. */
  readonly metrics: Metrics;
  /** False if `/metrics` has its own listener. */
  readonly servesMetrics: boolean;
  /** Routes of options. An operation without a route is answered as an unknown path. */
  readonly routes: Partial<Routes>;
  readonly onAnswered?: Surroundings['onAnswered'];
  /** The console; undefined if the broker serves none. */
  readonly console?: ConsoleDeps | undefined;
}

/** The broker's own API. */
export const OWN_FACE: Face = { name: undefined, errorAnswer };

/** The API and the console, which share a listener unless the console has its own. */
export interface Faces {
  readonly api: Api;
  readonly console: Console | undefined;
}

/** Creates the routes of the API and of the console. */
export function createFaces(surroundings: Surroundings, deps: ApiDeps): Faces {
  const api = createApi(surroundings, deps);
  return { api, console: deps.console && new Console(surroundings, api, deps.console) };
}

/** Creates the listener of the API. With the console it serves both. */
export function createListener({ api, console }: Faces): RequestListener {
  const app = createExpressApp();
  if (console !== undefined) app.use(console.routes);
  app.use(api.routes, api.refuseError);
  const listener = listenerOf(app, api.refuseUnparsed);
  return (request, response) => {
    if (!api.beginFrequent(request, response)) listener(request, response);
  };
}

/** One listener for the API and the console. */
export function createApp(
  parts: ServedParts,
  deps: ApiDeps,
  surroundings = surroundingsOf(parts, deps),
): RequestListener {
  return createListener(createFaces(surroundings, deps));
}

/** Creates the routes of the API from the rows of `access.ts`. */
function createApi(surroundings: Surroundings, deps: ApiDeps): Api {
  const router = createRouter();
  const routes: Readonly<Partial<Record<OperationId, Route<never>>>> = {
    ...coreRoutes({
      unready: () => (deps.drain.active ? ['draining', ...deps.unready()] : deps.unready()),
      held: deps.held,
      warnings: deps.warnings,
      status: deps.status,
      activity: () => surroundings.tallies.activity.read(surroundings.parts.clock.monotonic()),
      metrics: deps.metrics,
      servesMetrics: deps.servesMetrics,
      openApi: openApiJson,
    }),
    ...deps.routes,
  };
  const known: Mounted[] = [];
  for (const [id, operation] of ACCESS) {
    const route = routes[id] as Route<Caller | undefined> | undefined;
    if (route === undefined) continue;
    const tally = surroundings.tallies.of(id);
    const performance = { operation, template: new PathTemplate(operation.path), route, tally };
    known.push(performance);
    mount(router, surroundings, performance);
  }
  const refuseUnrouted = refuserOf(surroundings, known);
  router.use(refuseUnrouted);
  const tally = surroundings.tallies.of('none');
  const refuseError = refuseErrors((request, response, error) => {
    void refuse(surroundings, new Exchange(surroundings, request, response, tally), error);
  });
  const beginFrequent = frequentOf(surroundings, known);
  return { routes: router, refuseUnparsed: refuseUnrouted, refuseError, beginFrequent };
}

/**
 * Reads of secrets are 99 of 100 requests, and a thousand pods log in at once after an outage. Both are matched before Express, which changes the prototypes of
 * each request and answer; the router matches everything else. A target that only begins like a secret's is refused by the read, with the same answer as the
 * router's.
 */
function frequentOf(surroundings: Surroundings, known: readonly Mounted[]): Api['beginFrequent'] {
  const find = (id: OperationId): Mounted | undefined =>
    known.find(({ operation }) => operation === ACCESS.get(id));
  const reading = find('readSecret');
  const login = find('createSession');
  return (request, response) => {
    if (request.url?.includes('%') === true) request.url = canonicalTarget(request.url);
    const { method, url = '' } = request;
    const isRead = method === 'GET' && url.startsWith(SECRETS);
    const isLogin = method === 'POST' && url === SESSIONS;
    const performance = isRead ? reading : isLogin ? login : undefined;
    if (performance === undefined) return false;
    const exchange = new Exchange(surroundings, request, response, performance.tally);
    const params = isRead ? { path: pathOf(url).slice(SECRETS.length) } : {};
    void run(surroundings, exchange, performance, params);
    return true;
  };
}

/** Creates the limits and counts that the requests of all listeners share. */
export function surroundingsOf(parts: ServedParts, deps: ApiDeps): Surroundings {
  const shares = new Shares();
  const tallies = new OperationTallies();
  deps.metrics.add([...shares.metrics(), ...tallies.metrics()]);
  return {
    parts,
    face: OWN_FACE,
    ids: new RequestIds(deps.boot),
    sources: deps.sources,
    rates: new Rates(parts.clock, deps.limits),
    shares,
    pushTurns: new PushTurns(),
    tallies,
    log: new RequestLog(parts.log, parts.clock),
    drain: deps.drain,
    get requestMs() {
      return deps.limits.requestSeconds * 1000;
    },
    schemes: deps.schemes,
    onAnswered: deps.onAnswered,
  };
}

/** Answers a request, and traces it if there are traces. */
export function run(
  surroundings: Surroundings,
  exchange: Exchange,
  performance: Performance,
  params: Params,
): Promise<unknown> {
  const { trace } = surroundings.parts;
  if (trace === undefined) return perform(surroundings, exchange, performance, params);
  const { request, response, requestId } = exchange;
  const { method, path: route } = performance.operation;
  const traceparent = request.headers['traceparent']?.toString();
  const asked = { method, route, path: pathOf(request.url ?? ''), requestId, traceparent };
  return trace.request(asked, async () => {
    await perform(surroundings, exchange, performance, params);
    return response.statusCode;
  });
}

/** An operation of the router. */
interface Mounted extends Performance {
  readonly template: PathTemplate;
}

function mount(router: Router, surroundings: Surroundings, performance: Mounted): void {
  const { operation, template, tally } = performance;
  const begin: RequestHandler = (request, response) => {
    const exchange = new Exchange(surroundings, request, response, tally);
    const params = template.parametersOf(pathOf(request.url));
    void run(surroundings, exchange, performance, params);
  };
  const verb = operation.method.toLowerCase() as 'get' | 'post' | 'put' | 'delete';
  // HEAD is for probes that any client may send. HEAD of a secret would be a read that returns nothing.
  router[verb](template.matcher, isProbe(operation) ? begin : exceptHead(begin));
}

/** Refuses unknown routes, and methods that a route does not have. */
function refuserOf(surroundings: Surroundings, known: readonly Mounted[]): RequestListener {
  const tally = surroundings.tallies.of('none');
  return (request, response) => {
    const exchange = new Exchange(surroundings, request, response, tally);
    const methods = methodsAt(known, pathOf(request.url ?? ''));
    const headers = methods.length === 0 ? [] : ['Allow', methods.join(', ')];
    void refuse(surroundings, exchange, refusal(exchange, known, methods), { headers });
  };
}

function methodsAt(known: readonly Mounted[], path: string): readonly string[] {
  return known
    .filter(({ template }) => template.matcher.test(path))
    .map(({ operation }) => operation.method);
}

function refusal(
  exchange: Exchange,
  known: readonly Mounted[],
  methods: readonly string[],
): unknown {
  try {
    checkRequest(exchange);
  } catch (error) {
    return error;
  }
  const { method = '' } = exchange.request;
  const isUsed = known.some(({ operation }) => operation.method === method);
  return new BrokerError(
    methods.length > 0 || !isUsed ? 'ERR_METHOD' : 'ERR_NOT_FOUND',
    undefined,
    {
      reason: methods.length > 0 || !isUsed ? 'method' : 'no_route',
    },
  );
}
