import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { answer, refuse } from '../request/answers.ts';
import type { Route } from '../request/route.ts';
import { Exchange } from '../request/exchange.ts';
import type { Performance } from '../request/perform.ts';
import type { Face, Surroundings } from '../request/request-deps.ts';
import { run } from '../server/app.ts';
import type { Caller } from '../../broker/access/call.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ShadowServer } from '../../broker/secrets/shadow-read.ts';
import {
  NO_OPERATION,
  SHADOW_READ,
  VAULT_ACCESS,
  WRAPPABLE,
  type Area,
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
  const app = new VaultApp(deps);
  return (request, response) => app.serve(request, response);
}

/** A row with its place, ready to be matched. */
interface Row {
  readonly id: VaultOperationId | undefined;
  readonly operation: VaultOperation;
  readonly pattern: RegExp;
}

class VaultApp {
  readonly #surroundings: Surroundings;
  readonly #lists: ListConnections;
  readonly #mounts: VaultMounts;
  readonly #routes: VaultRoutes;
  readonly #rows: readonly Row[];
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
    this.#rows = [...VAULT_ACCESS].map(([id, operation]) => {
      return { id, operation, pattern: patternOf(operation.template) };
    });
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

  serve(request: IncomingMessage, response: ServerResponse): void {
    const surroundings = this.#surroundings;
    const { tallies } = surroundings;
    let read: VaultRequest;
    try {
      read = this.#read(request, response);
    } catch (error) {
      const exchange = new Exchange(surroundings, request, response, tallies.of('vault.none'));
      void refuse(surroundings, exchange, error);
      return;
    }
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
    const { id, operation, matched } = this.#match(read);
    const exchange = new Exchange(
      surroundings,
      request,
      response,
      tallies.of(`vault.${id ?? 'none'}`),
    );
    const route = this.#routeOf(read, id, matched);
    if (route.body !== undefined) readAnyType(request, operation);
    const performance: Performance = { operation, route, tally: exchange.tally };
    void run(surroundings, exchange, performance, { path: matched.path });
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
    matched: Matched,
  ): Route<Caller | undefined> {
    const { wrapSeconds, path } = read;
    const isRefused = wrapSeconds !== undefined && !WRAPPABLE.includes(id);
    const make =
      id === undefined
        ? refusedRoute(read, this.#isKnown(read))
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

  #match(read: VaultRequest): Pick<Row, 'id' | 'operation'> & { readonly matched: Matched } {
    const { area, mount, below } = this.#placeOf(read.path);
    for (const { id, operation, pattern } of this.#rows) {
      if (operation.area !== area || operation.verb !== read.verb) continue;
      const found = pattern.exec(below);
      if (found === null) continue;
      const name = found[1] ?? '';
      const path = mount === undefined ? name : pathAt(mount, name);
      return { id, operation, matched: { mount, name, path, query: read.query } };
    }
    const matched = { mount, name: '', path: '', query: read.query };
    return { id: undefined, operation: NO_OPERATION, matched };
  }

  /** Reports whether the path belongs to an operation with another method. */
  #isKnown({ path }: VaultRequest): boolean {
    const { area, below } = this.#placeOf(path);
    return this.#rows.some(
      ({ operation, pattern }) => operation.area === area && pattern.test(below),
    );
  }

  #placeOf(path: string): {
    readonly area: Area | undefined;
    readonly mount: Matched['mount'];
    readonly below: string;
  } {
    if (!path.startsWith('/v1/')) return { area: undefined, mount: undefined, below: '' };
    const rest = path.slice('/v1/'.length);
    for (const area of ['sys', 'auth'] as const) {
      if (rest.startsWith(`${area}/`))
        return { area, mount: undefined, below: rest.slice(area.length) };
    }
    const mount = this.#mounts.find(rest);
    return { area: mount?.engine, mount, below: rest.slice(mount?.name.length ?? 0) };
  }
}

/** The pattern of the path below an area. `{folder}` may be empty, and a slash may follow it. */
function patternOf(template: string): RegExp {
  const source = template
    .replace('/{folder}', '(?:/(.+?))?/?')
    .replace('{path}', '(.+)')
    .replace(/\{[a-z]+\}/g, '([^/]+)');
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
