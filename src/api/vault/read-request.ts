import type { IncomingMessage } from 'node:http';
import { MOST_WRAP_SECONDS } from '../../broker/secrets/wrapped-answers.ts';
import { isRepeated } from '../request/check-request.ts';
import { BrokerError } from '../../domain/errors.ts';
import { redactCredentials } from '../../domain/words/redact-credentials.ts';
import type { Method } from './access.ts';

/** A request as the operations of this face see it. */
export interface VaultRequest {
  readonly verb: Method;
  /** The path, decoded once. */
  readonly path: string;
  readonly query: ReadonlyMap<string, string>;
  /** Seconds for which the answer shall be wrapped; undefined: it is not wrapped. */
  readonly wrapSeconds: number | undefined;
}

const LONGEST_QUERY = 2_048;
/** Codes of some issuers have 2,000 characters. */
const LONGEST_CALLBACK = 8_192;
const PATH = /^(?:\/[A-Za-z0-9._+=@:~-]+)*\/?$/;
/** Escapes that another reader of the path could take for a separator, an end, or one more escape. */
const AMBIGUOUS = /%(?:2f|5c|00|25)/i;
/**
 * Escapes of letters, digits, `-`, `.` and `_`. No client needs them (RFC 3986 section 2.3), and a proxy that compares the target with its rules without
 * decoding it would take such a path or parameter for another one.
 */
const NEEDLESS = /%(?:2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f)/i;
const NAMES =
  'a path is segments of [A-Za-z0-9._+=@-] joined by slashes; names at this broker have no blanks and no colons';

/**
 * Reads method, headers and target in the way of the Vault HTTP API: percent-escapes are decoded once, unknown parameters of the query are ignored, and the
 * token may be in `X-Vault-Token`. Whatever two readers could understand differently is refused.
 * @throws ERR_REQUEST_INVALID, ERR_PATH_INVALID, ERR_METHOD
 */
export function readRequest(request: IncomingMessage, isList: boolean): VaultRequest {
  readHeaders(request);
  const { url = '' } = request;
  if (url.includes('%') && NEEDLESS.test(url))
    throw invalidPath('letters, digits, "-", "." and "_" must not be percent-encoded');
  const end = url.indexOf('?');
  const path = decodePath(end === -1 ? url : url.slice(0, end));
  const query = end === -1 ? NO_QUERY : readQuery(url.slice(end + 1), CALLBACK.test(path));
  const verb = isList ? 'LIST' : methodOf(request);
  const isListed = verb === 'GET' && query.get('list') === 'true';
  return { verb: isListed ? 'LIST' : verb, path, query, wrapSeconds: wrapSecondsOf(request) };
}

const VERBS: Readonly<Record<string, Method>> = {
  GET: 'GET',
  HEAD: 'GET',
  POST: 'PUT',
  PUT: 'PUT',
  PATCH: 'PATCH',
  DELETE: 'DELETE',
};

function methodOf({ method = '' }: IncomingMessage): Method {
  const verb = VERBS[method];
  if (verb !== undefined) return verb;
  throw new BrokerError('ERR_METHOD', `the method ${method} is not used here`, {
    reason: 'method',
  });
}

const BEARER = 'Bearer ';
const ROOT_NAMESPACES = ['', '/', 'root', 'root/'];
/** Headers of which Node keeps the first or joins all; another reader may have checked the other one. */
const SINGLE = ['authorization', 'x-vault-token', 'x-vault-namespace', 'x-vault-wrap-ttl'];

/** Leaves the token as the one accepted header, `Authorization: Bearer`, and refuses what must not be ignored. */
function readHeaders({ headers, rawHeaders }: IncomingMessage): void {
  for (const name of SINGLE) {
    if (headers[name] !== undefined && isRepeated(rawHeaders, name))
      throw refused(`the header ${name} is sent twice`, 'two_headers');
  }
  const namespace = headers['x-vault-namespace']?.toString().trim() ?? '';
  if (!ROOT_NAMESPACES.includes(namespace)) {
    throw refused('namespaces are not supported; unset VAULT_NAMESPACE', 'namespace');
  }
  const { authorization } = headers;
  if (authorization !== undefined && !authorization.startsWith(BEARER)) {
    throw refused(
      'the token is sent as X-Vault-Token or Authorization: Bearer; a session that is bound to a key works only with the API of Quaymaster',
      'scheme',
    );
  }
  const token = headers['x-vault-token'];
  if (token !== undefined) {
    const sent = `${BEARER}${token.toString()}`;
    if (authorization !== undefined && authorization !== sent) {
      throw refused('X-Vault-Token and Authorization name two tokens', 'two_tokens');
    }
    headers.authorization = sent;
  }
  // A proof would bind a session to a key, and this face has no way to answer such a session.
  delete headers['dpop'];
}

const DURATION = /^(?:([0-9]{1,9})|(?=.)(?:([0-9]{1,5})h)?(?:([0-9]{1,7})m)?(?:([0-9]{1,9})s)?)$/;

/** Reads seconds, or a duration such as `1m0s`. @throws ERR_REQUEST_INVALID */
function wrapSecondsOf({ headers }: IncomingMessage): number | undefined {
  const text = headers['x-vault-wrap-ttl']?.toString();
  if (text === undefined) return undefined;
  const [, plain, ...parts] = DURATION.exec(text) ?? [];
  const [hours = 0, minutes = 0, rest = 0] = parts.map((part: string | undefined) =>
    Number(part ?? 0),
  );
  const seconds = plain === undefined ? (hours * 60 + minutes) * 60 + rest : Number(plain);
  if (seconds >= 1 && seconds <= MOST_WRAP_SECONDS) return seconds;
  const detail = `X-Vault-Wrap-TTL is from 1 to ${MOST_WRAP_SECONDS} seconds, such as 60 or 5m`;
  throw refused(detail, 'wrap_ttl');
}

/** Most paths have neither escapes nor empty segments, so they are read once. @throws ERR_PATH_INVALID */
function decodePath(target: string): string {
  const path = target.includes('%') ? unescapePath(target) : target;
  const named = path.includes('//') ? path.replaceAll(/\/{2,}/g, '/') : path;
  if (!PATH.test(named)) throw invalidPath(NAMES);
  return path;
}

/** @throws ERR_PATH_INVALID */
function unescapePath(target: string): string {
  if (AMBIGUOUS.test(target)) {
    throw invalidPath(
      'the path must not contain an encoded slash, backslash, zero or percent sign',
    );
  }
  try {
    return decodeURIComponent(target);
  } catch {
    throw invalidPath('the path is not percent-encoded UTF-8');
  }
}

/** The path to which a client brings the answer of an issuer to the login of a person. */
const CALLBACK = /^\/v1\/auth\/[^/]+\/oidc\/callback$/;
const ONCE: ReadonlySet<string> = new Set(['code', 'state']);
const NO_QUERY: ReadonlyMap<string, string> = new Map();

/**
 * Parameters by name. Clients send some that this face does not know; a parameter that could be a token is refused, because queries are logged. The answer of
 * an issuer to a login may look like one: it works once, and only with the nonce of the client.
 */
function readQuery(text: string, isCallback: boolean): ReadonlyMap<string, string> {
  const most = isCallback ? LONGEST_CALLBACK : LONGEST_QUERY;
  if (text.length > most) throw refused(`the query may have ${most} characters`);
  const query = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(text)) {
    const isAllowed = isCallback && (ONCE.has(name) || (name === 'id_token' && value === ''));
    if (!isAllowed && (/token/i.test(name) || redactCredentials(value) !== value)) {
      throw refused(
        'a token must not be in the query string, because proxies log it; revoke the token',
        'token_in_query',
      );
    }
    if (query.has(name)) throw refused('the query names a parameter twice', 'query');
    query.set(name, value);
  }
  return query;
}

function refused(detail: string, reason = 'query'): BrokerError {
  return new BrokerError('ERR_REQUEST_INVALID', detail, { reason });
}

function invalidPath(detail: string): BrokerError {
  return new BrokerError('ERR_PATH_INVALID', detail, { reason: 'bad_path' });
}
