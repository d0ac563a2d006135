import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type {
  ErrorRequestHandler,
  NextFunction,
  Request,
  RequestHandler,
  Response,
  Router,
} from 'express';
import { answer, refuse } from '../request/answers.ts';
import type { Route } from '../request/route.ts';
import { Exchange } from '../request/exchange.ts';
import type { Performance } from '../request/perform.ts';
import type { Face, Surroundings } from '../request/request-deps.ts';
import { run } from '../server/app.ts';
import {
  createExpressApp,
  createRouter,
  listenerOf,
  refuseErrors,
} from '../request/express-app.ts';
import type { Caller } from '../../broker/access/call.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ShadowServer } from '../../broker/secrets/shadow-read.ts';
import {
  NO_OPERATION,
  SHADOW_READ,
  VAULT_ACCESS,
  WRAPPABLE,
  type Area,
  type Method,
  type VaultOperation,
  type VaultOperationId,
} from './access.ts';
import type { VaultApiConfig } from './config.ts';
import { vaultErrorAnswer } from './error-answer.ts';
import type { ListConnections } from './list-method.ts';
import { VaultMounts } from './mounts.ts';
import { readRequest, type VaultRequest } from './read-request.ts';
import { ShadowReads } from './shadow-reads.ts';
import { listNames, readData, readMetadata, readValue } from './routes/key-values.ts';
import { issue, lookUp, readAccount, renew, revoke, type WorkloadRoute } from './routes/leases.ts';
import { listLeasesRoute, revokePrefixRoute } from './routes/lease-prefixes.ts';
import { beginLoginRoute, finishLoginRoute } from './routes/people.ts';
import { refusedRoute, refusedWrapping } from './routes/refused.ts';
import {
  pathAt,
  type CallerRoute,
  type Matched,
  type Mount,
  type OperatorRoute,
  type PublicRoute,
} from './route.ts';
import {
  authTableRoute,
  capabilitiesRoute,
  healthRoute,
  leaderRoute,
  mountRoute,
  mountRowRoute,
  mountsRoute,
  mountTableRoute,
  sealStatusRoute,
  tuningRoute,
  type Health,
} from './routes/system.ts';
import {
  deleteValue,
  deleteVersions,
  destroyAll,
  destroyVersions,
  patchData,
  undeleteVersions,
  writeData,
  writeValue,
} from './routes/writes.ts';
import { patchMetadata, readConfig, writeConfig, writeMetadata } from './routes/settings.ts';
import { lookUpWrapping, rewrap, unwrap, wrapData, wrapped } from './routes/wrapping.ts';
import { logInRoute, lookUpSelf, ofOwnToken, renewSelf, revokeSelf } from './routes/tokens.ts';

/** The listener for clients of the HashiCorp Vault HTTP API. */
export const VAULT_FACE: Face = { name: 'vault', errorAnswer: vaultErrorAnswer };

type VaultRoutes = Readonly<
  Record<VaultOperationId, CallerRoute | PublicRoute | WorkloadRoute | OperatorRoute>
>;

export interface VaultAppDeps {
  readonly surroundings: Surroundings;
  readonly config: Pick<VaultApiConfig, 'mounts' | 'auth'>;
  readonly lists: ListConnections;
  readonly unready: Health['unready'];
  readonly shadow: ShadowServer | undefined;
}

/**
 * Translates requests of the Vault HTTP API into the use cases of the broker. Each takes the steps of the broker's own API: identity, rates, decision, record,
 * answer. Only the reading of the request and the form of the answer differ.
 */
export function createVaultApp(deps: VaultAppDeps): RequestListener {
  return new VaultApp(deps).createListener();
}

/** The methods with which the verbs of this face arrive. Node's parser reads a LIST as LINK. */
const ARRIVES_AS = {
  GET: ['get'],
  LIST: ['link', 'get'],
  PUT: ['put', 'post'],
  PATCH: ['patch'],
  DELETE: ['delete'],
} as const satisfies Readonly<Record<Method, readonly string[]>>;

/** Registers a handler for each method; the types of Express do not have LINK. */
type Registering = Readonly<
  Record<(typeof ARRIVES_AS)[Method][number], (handle: RequestHandler) => unknown>
>;

/** Facts about a request, kept while Express routes it. */
interface Locals {
  read: VaultRequest;
  /** The path belongs to an operation with another method. */
  isKnown?: true;
}

/** An operation and what the path names for it. */
interface Row {
  readonly id: VaultOperationId | undefined;
  readonly operation: VaultOperation;
  readonly matched: Matched;
}

class VaultApp {
  readonly #surroundings: Surroundings;
  readonly #lists: ListConnections;
  readonly #mounts: VaultMounts;
  readonly #routes: VaultRoutes;
  readonly #shadow: ShadowReads | undefined;

  constructor({ surroundings, config, lists, unready, shadow }: VaultAppDeps) {
    const { parts } = surroundings;
    const mounts = new VaultMounts(config.mounts);
    const health = {
      unready,
      isSealed: () => parts.keyring.isSealed,
      now: () => parts.clock.now(),
    };
    this.#surroundings = surroundings;
    this.#lists = lists;
    this.#mounts = mounts;
    this.#shadow = shadow && new ShadowReads(shadow, mounts);
    this.#routes = {
      readData,
      readMetadata,
      listMetadata: listNames,
      readValue,
      listValues: listNames,
      writeData,
      patchData,
      deleteData: deleteValue,
      deleteVersions,
      undeleteVersions,
      destroyVersions,
      destroyAll,
      writeMetadata,
      patchMetadata,
      readConfig,
      writeConfig,
      writeValue,
      deleteValue,
      issueCredential: issue,
      readAccount,
      renewLease: renew,
      revokeLease: revoke,
      revokeNamedLease: revoke,
      revokePrefix: revokePrefixRoute(mounts),
      listLeases: listLeasesRoute(mounts),
      lookUpLease: lookUp,
      wrapData,
      unwrap,
      rewrap,
      lookUpWrapping,
      readMountTable: mountTableRoute(mounts),
      readTuning: tuningRoute(mounts),
      readMountRow: mountRowRoute(mounts),
      readAuthTable: authTableRoute(mounts, config.auth),
      readMounts: mountsRoute(mounts),
      readMount: mountRoute(mounts),
      readHealth: healthRoute(health),
      readSealStatus: sealStatusRoute(health),
      readLeader: leaderRoute,
      readCapabilities: capabilitiesRoute(mounts),
      logIn: logInRoute(config.auth),
      beginPersonLogin: beginLoginRoute(config.auth),
      finishPersonLogin: finishLoginRoute(config.auth),
      lookUpToken: ofOwnToken(lookUpSelf),
      renewToken: ofOwnToken(renewSelf),
      revokeToken: ofOwnToken(revokeSelf),
      lookUpAccessor: ofOwnToken(lookUpSelf),
      renewAccessor: ofOwnToken(renewSelf),
      revokeAccessor: ofOwnToken(revokeSelf),
      lookUpSelf,
      renewSelf,
      revokeSelf,
    };
  }

  /** Creates the routes: those of the server itself, and those of the engine of each configured mount. */
  createListener(): RequestListener {
    const begin = (request: Request, response: Response, next: NextFunction): void => {
      this.#begin(request, response, next);
    };
    const app = createExpressApp();
    app.use(begin);
    app.use('/v1/sys', this.#routesOf('sys'));
    app.use('/v1/auth', this.#routesOf('auth'));
    for (const mount of this.#mounts.all) {
      // Of the characters that a name may have, the patterns of Express reserve only this one.
      const path = `/v1/${mount.name.replaceAll('+', String.raw`\+`)}`;
      app.use(path, this.#routesOf(mount.engine, mount));
    }
    app.use((request: Request, response: Response) => this.#runUnknown(request, response));
    app.use(this.#refuseErrors());
    const cut = (response: ServerResponse) => () => void response.destroy();
    return listenerOf(app, (request, response) =>
      begin(request as Request, response as Response, cut(response)),
    );
  }

  /** Reads the request before it is routed, and answers it if that needs no route. */
  #begin(request: Request, response: Response, next: NextFunction): void {
    let read: VaultRequest;
    try {
      read = this.#read(request, response);
    } catch (error) {
      this.#refuse(request, response, error);
      return;
    }
    localsOf(response).read = read;
    request.url = read.path;
    if (read.path.includes('//')) {
      this.#redirect(request, response);
      return;
    }
    const shadowed = this.#shadow?.routeOf(read, request.headers);
    if (shadowed !== undefined) {
      this.#runShadow(request, response, shadowed as Route<Caller | undefined>);
      return;
    }
    next();
  }

  /** The routes of the rows of one area. Express matches the path below the area, which has no escapes left. */
  #routesOf(area: Area, mount?: Mount): Router {
    const router = createRouter();
    const rows = [...VAULT_ACCESS].filter(([, operation]) => operation.area === area);
    for (const [id, operation] of rows) {
      const pattern = patternOf(operation.template);
      const route = router.route(pattern) as Partial<Registering> as Registering;
      for (const method of ARRIVES_AS[operation.verb]) {
        route[method]((request: Request, response: Response, next: NextFunction) => {
          const { read } = localsOf(response);
          if (read.verb !== operation.verb) {
            next();
            return;
          }
          const name = request.params['name']?.toString() ?? '';
          const path = mount === undefined ? name : pathAt(mount, name);
          const matched = { mount, name, path, query: read.query };
          this.#run(request, response, { id, operation, matched });
        });
      }
    }
    router.all(
      rows.map(([, { template }]) => patternOf(template)),
      (_request, response, next) => {
        localsOf(response).isKnown = true;
        next();
      },
    );
    return router;
  }

  #runUnknown(request: Request, response: Response): void {
    const { query } = localsOf(response).read;
    const matched = { mount: undefined, name: '', path: '', query };
    this.#run(request, response, { id: undefined, operation: NO_OPERATION, matched });
  }

  #run(request: Request, response: Response, { id, operation, matched }: Row): void {
    const surroundings = this.#surroundings;
    const { read, isKnown = false } = localsOf(response);
    // Express has removed the beginning of the path.
    request.url = read.path;
    const tally = surroundings.tallies.of(`vault.${id ?? 'none'}`);
    const exchange = new Exchange(surroundings, request, response, tally);
    const route = this.#routeOf(read, id, { matched, isKnown });
    if (route.body !== undefined) readAnyType(request, operation);
    const performance: Performance = { operation, route, tally };
    void run(surroundings, exchange, performance, { path: matched.path });
  }

  #refuseErrors(): ErrorRequestHandler {
    return refuseErrors((request, response, error) => {
      request.url = localsOf(response).read.path;
      this.#refuse(request, response, error);
    });
  }

  #refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const surroundings = this.#surroundings;
    const tally = surroundings.tallies.of('vault.none');
    void refuse(surroundings, new Exchange(surroundings, request, response, tally), error);
  }

  #runShadow(
    request: IncomingMessage,
    response: ServerResponse,
    route: Route<Caller | undefined>,
  ): void {
    const surroundings = this.#surroundings;
    const tally = surroundings.tallies.of('vault.shadow');
    const exchange = new Exchange(surroundings, request, response, tally);
    void run(surroundings, exchange, { operation: SHADOW_READ, route, tally }, {});
  }

  #routeOf(
    read: VaultRequest,
    id: VaultOperationId | undefined,
    { matched, isKnown }: { readonly matched: Matched; readonly isKnown: boolean },
  ): Route<Caller | undefined> {
    const { wrapSeconds, path } = read;
    const isRefused = wrapSeconds !== undefined && !WRAPPABLE.includes(id);
    const make =
      id === undefined
        ? refusedRoute(read, isKnown)
        : isRefused
          ? refusedWrapping
          : this.#routes[id];
    const route = make(matched) as Route<Caller | undefined>;
    if (wrapSeconds === undefined || isRefused) return route;
    const creationPath = path.replace(/^\/v1\//, '');
    return wrapped(route, {
      seconds: wrapSeconds,
      creationPath,
      path: matched.mount && matched.path,
    });
  }

  /** @throws ERR_METHOD, ERR_REQUEST_INVALID, ERR_PATH_INVALID */
  #read(request: IncomingMessage, response: ServerResponse): VaultRequest {
    const { socket, method } = request;
    if (this.#lists.isUsed(socket)) {
      throw new BrokerError('ERR_REQUEST_INVALID', 'a connection ends after a LIST', {
        reason: 'pipelined',
      });
    }
    const isList = method === 'LINK' && this.#lists.take(socket);
    if (isList) response.shouldKeepAlive = false;
    const read = readRequest(request, isList);
    const isHealth = request.method === 'HEAD' && read.path === '/v1/sys/health';
    if (request.method === 'HEAD' && !isHealth) {
      throw new BrokerError('ERR_METHOD', 'HEAD is for /v1/sys/health', { reason: 'method' });
    }
    return read;
  }

  /** Sends a client with an empty segment in its path to the path without it, as other servers of this API do. */
  #redirect(request: IncomingMessage, response: ServerResponse): void {
    const surroundings = this.#surroundings;
    const tally = surroundings.tallies.of('vault.none');
    const exchange = new Exchange(surroundings, request, response, tally);
    const path = (request.url ?? '').replaceAll(/\/{2,}/g, '/');
    try {
      surroundings.rates.takeFromNetwork(exchange.network, 1);
      answer(surroundings, exchange, { status: 307, headers: ['Location', path] });
    } catch (error) {
      void refuse(surroundings, exchange, error);
    }
  }
}

function localsOf(response: Response): Locals {
  return response.locals as Locals;
}

/** The pattern of the path below an area. `{folder}` may be empty, and a slash may follow it. */
function patternOf(template: string): RegExp {
  const source = template
    .replace('/{folder}', '(?:/(?<name>.+?))?/?')
    .replace('{path}', '(?<name>.+)')
    .replace(/\{[a-z]+\}/g, '(?<name>[^/]+)');
  return new RegExp(`^${source}$`);
}

const MERGE_PATCH = /^application\/merge-patch\+json(?: *;|$)/i;

/**
 * Makes the reader of bodies take the body as JSON: Go clients send no media type, and curl says that it is a form. Only PATCH is strict, as in other servers
 * of this API.
 */
function readAnyType({ headers }: IncomingMessage, { verb }: VaultOperation): void {
  const isRefused = verb === 'PATCH' && !MERGE_PATCH.test(headers['content-type'] ?? '');
  headers['content-type'] = isRefused ? 'application/octet-stream' : 'application/json';
}
