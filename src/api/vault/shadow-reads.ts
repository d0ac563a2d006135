import type { IncomingHttpHeaders } from 'node:http';
import type { Route } from '../request/route.ts';
import { readShadow, type ShadowServer } from '../../broker/secrets/shadow-read.ts';
import { ByteText } from '../../domain/words/byte-text.ts';
import { isPathSegment } from '../../domain/words/names.ts';
import { Sensitive } from '../../domain/secrets/sensitive.ts';
import { RESERVED } from './config.ts';
import type { VaultMounts } from './mounts.ts';
import type { VaultRequest } from './read-request.ts';

/**
 * The forms of service and batch tokens of Vault and OpenBao. No token of this broker, of a cluster or of an issuer of people has one, so none of them is ever
 * sent to the other server.
 */
const THEIR_TOKEN = /^Bearer ((?:hv[sb]|[sb])\.[A-Za-z0-9_.-]{8,1024})$/;
const VERSION = /^[0-9]{1,9}$/;
const LONGEST_PATH = 1_024;
/** Clients ask which mount covers a path before they read it. */
const PREFLIGHT = 'sys/internal/ui/mounts/';

/** Reads that no mount covers, for the server from which a team moves away. */
export class ShadowReads {
  readonly #server: ShadowServer;
  readonly #mounts: VaultMounts;

  constructor(server: ShadowServer, mounts: VaultMounts) {
    this.#server = server;
    this.#mounts = mounts;
  }

  /** The route of a read for the other server; undefined for every other request. */
  routeOf(
    read: VaultRequest,
    { authorization = '' }: IncomingHttpHeaders,
  ): Route<undefined> | undefined {
    const [, token] = THEIR_TOKEN.exec(authorization) ?? [];
    const path = token === undefined ? undefined : this.#pathOf(read);
    if (token === undefined || path === undefined) return undefined;
    const order = { path, query: queryOf(read), token: new Sensitive(token) };
    return {
      read: ({ rates, network }) => {
        return async ({ parts, call }) => {
          const { status, json } = await readShadow(parts, call, this.#server, order);
          if (status === 403) rates.failed(network);
          if (status === 204) return { status };
          return { status, values: new ByteText(json.toString('latin1')) };
        };
      },
    };
  }

  #pathOf({ verb, path, wrapSeconds }: VaultRequest): string | undefined {
    const isRead = (verb === 'GET' || verb === 'LIST') && wrapSeconds === undefined;
    if (!isRead || !path.startsWith('/v1/')) return undefined;
    const below = path.slice('/v1/'.length).replace(/\/$/, '');
    const isPreflight = below.startsWith(PREFLIGHT);
    const named = isPreflight ? below.slice(PREFLIGHT.length) : below;
    const segments = named.split('/');
    const isTheirs =
      segments.every(isPathSegment) &&
      !RESERVED.includes(segments[0] ?? '') &&
      this.#mounts.find(named) === undefined;
    return isTheirs && below.length <= LONGEST_PATH ? below : undefined;
  }
}

function queryOf({ verb, query }: VaultRequest): string {
  const version = query.get('version') ?? '';
  if (verb === 'LIST') return '?list=true';
  return VERSION.test(version) ? `?version=${version}` : '';
}
