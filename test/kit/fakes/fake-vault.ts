import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** One request as the server received it; `target` is from the raw request line. */
export interface SeenRequest {
  readonly method: string;
  readonly target: string;
  readonly token: string | undefined;
  readonly namespace: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Readonly<Record<string, unknown>>;
}

export interface FakeAnswer {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers instead of the server, or acts directly on the socket; undefined lets the server answer. */
export type Fault = (
  request: SeenRequest,
  response: ServerResponse,
) => FakeAnswer | 'handled' | undefined;

interface FakeToken {
  readonly accessor: string;
  readonly metadata: unknown;
  ttl: number;
}

interface FakeVersion {
  readonly data: unknown;
  readonly at: string;
  deleted: boolean;
}

const OK = (body: unknown): FakeAnswer => ({ status: 200, body });
const NONE: FakeAnswer = { status: 204 };
const failed = (status: number, ...errors: string[]): FakeAnswer => ({ status, body: { errors } });
const answer = (data: unknown): FakeAnswer =>
  OK({ lease_id: '', lease_duration: 0, renewable: false, data });

/**
 * A small Vault with KV v2 at `secret/`, KV v1 at `old/`, credentials at `db/creds/<role>` and static roles of an AWS engine at
 * `aws/static-creds/<role>`. It shows faults that tests cannot provoke in a real one.
 */
export class FakeVault {
  readonly requests: SeenRequest[] = [];
  /** Tokens of the broker; an empty map refuses all. */
  readonly tokens = new Map<string, FakeToken>();
  readonly leases = new Map<string, { readonly accessor: string; seconds: number }>();
  /** Keys of the AWS engine's static roles, by role. */
  readonly staticKeys = new Map<string, Readonly<Record<string, unknown>>>();
  fault: Fault | undefined;
  sealed = false;
  tokenRole: Readonly<Record<string, unknown>> | undefined = {
    orphan: true,
    renewable: true,
    token_type: 'service',
    token_explicit_max_ttl: 7200,
    allowed_policies: ['creds'],
  };
  /** Overrides the answer that issues a credential. */
  credentialAnswer: Readonly<Record<string, unknown>> = {};
  /** The token lifetime of a login. */
  loginSeconds = 3600;
  loginRenewable = true;
  logins = 0;
  readonly #server: Server;
  readonly #kv2 = new Map<string, FakeVersion[]>();
  readonly #kv1 = new Map<string, unknown>();

  readonly #scheme: 'http' | 'https';

  private constructor(certificate: { readonly cert: string; readonly key: string } | undefined) {
    const serve = (request: IncomingMessage, response: ServerResponse): void =>
      void this.#serve(request, response);
    this.#scheme = certificate === undefined ? 'http' : 'https';
    this.#server =
      certificate === undefined ? createServer(serve) : createTlsServer(certificate, serve);
  }

  static async start(certificate?: {
    readonly cert: string;
    readonly key: string;
  }): Promise<FakeVault> {
    const vault = new FakeVault(certificate);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    vault.#server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    vault.addToken('s.broker');
    return vault;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  addToken(token: string, ttl = 3600): void {
    this.tokens.set(token, { accessor: `acc-${token}`, metadata: null, ttl });
  }

  put(engine: 'secret' | 'old', path: string, data: unknown): void {
    if (engine === 'old') this.#kv1.set(path, data);
    else {
      const version = { data, at: '2026-01-02T03:04:05.678901234Z', deleted: false };
      this.#kv2.set(path, [...(this.#kv2.get(path) ?? []), version]);
    }
  }

  remove(engine: 'secret' | 'old', path: string): void {
    if (engine === 'old') this.#kv1.delete(path);
    else for (const version of this.#kv2.get(path) ?? []) version.deleted = true;
  }

  async close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    this.#server.closeAllConnections();
    await promise;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const seen: SeenRequest = {
      method: request.method ?? '',
      target: request.url ?? '',
      token: one(request.headers['x-vault-token']),
      namespace: one(request.headers['x-vault-namespace']),
      headers: request.headers,
      body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
    };
    this.requests.push(seen);
    const given = this.fault?.(seen, response);
    if (given === 'handled') return;
    send(response, given ?? this.#answer(seen));
  }

  #answer(seen: SeenRequest): FakeAnswer {
    const [encoded = '', query = ''] = seen.target.replace('/v1/', '').split('?');
    const path = decodeURIComponent(encoded);
    if (path === 'sys/health')
      return OK({ initialized: true, sealed: this.sealed, version: '1.20.0' });
    if (this.sealed) return failed(503, 'Vault is sealed');
    const login = /^auth\/([^/]+)\/login$/.exec(path)?.[1];
    if (login !== undefined) return this.#logIn(login, seen);
    const token = this.tokens.get(seen.token ?? '');
    if (token === undefined) return failed(403, 'permission denied');
    const routes: readonly [RegExp, (rest: string) => FakeAnswer][] = [
      [
        /^secret\/data\/(.+)$/,
        (rest) => this.#readKv2(rest, new URLSearchParams(query).get('version')),
      ],
      [/^secret\/metadata\/(.*)$/, (rest) => list(this.#kv2, rest)],
      [
        /^old\/(.*)$/,
        (rest) => (query === 'list=true' ? list(this.#kv1, rest) : this.#readKv1(rest)),
      ],
      [
        /^aws\/static-creds\/(.+)$/,
        (role) => (this.staticKeys.has(role) ? answer(this.staticKeys.get(role)) : failed(404)),
      ],
      [/^db\/creds\/(.+)$/, (rest) => this.#makeCredential(token, rest)],
      [/^auth\/token\/(.+)$/, (rest) => this.#token(rest, seen, token)],
      [/^sys\/(.+)$/, (rest) => this.#system(rest, seen)],
    ];
    for (const [pattern, route] of routes) {
      const match = pattern.exec(path);
      if (match !== null) return route(match[1] ?? '');
    }
    return failed(404, `no handler for route "${path}". route entry not found.`);
  }

  #logIn(mount: string, seen: SeenRequest): FakeAnswer {
    this.logins += 1;
    const refused = refusedLogin(mount, seen.body);
    if (refused !== undefined) return refused;
    const token = `s.login-${this.logins}`;
    this.addToken(token, this.loginSeconds);
    return OK({
      auth: {
        client_token: token,
        lease_duration: this.loginSeconds,
        renewable: this.loginRenewable,
      },
    });
  }

  #readKv2(path: string, asked: string | null): FakeAnswer {
    const versions = this.#kv2.get(path) ?? [];
    const version = asked === null ? versions.length : Number(asked);
    const found = versions[version - 1];
    if (found === undefined) return failed(404);
    const metadata = { version, created_time: found.at, destroyed: false };
    if (found.deleted) return { status: 404, body: { data: { data: null, metadata } } };
    return answer({ data: found.data, metadata });
  }

  #readKv1(path: string): FakeAnswer {
    return this.#kv1.has(path) ? answer(this.#kv1.get(path)) : failed(404);
  }

  #makeCredential(token: FakeToken, role: string): FakeAnswer {
    const lease = `db/creds/${role}/${randomBytes(12).toString('hex')}`;
    this.leases.set(lease, { accessor: token.accessor, seconds: 3600 });
    const data = {
      username: `v-${role}-${randomBytes(8).toString('hex')}`,
      password: randomBytes(12).toString('hex'),
    };
    return OK({
      lease_id: lease,
      lease_duration: 3600,
      renewable: true,
      data,
      ...this.credentialAnswer,
    });
  }

  #token(action: string, seen: SeenRequest, own: FakeToken): FakeAnswer {
    if (action.startsWith('create/')) return this.#createToken(seen);
    if (action.startsWith('roles/')) {
      return this.tokenRole === undefined ? failed(404) : answer(this.tokenRole);
    }
    if (action === 'lookup-self') return answer({ ttl: own.ttl });
    if (action === 'renew-self') {
      if (!this.loginRenewable) return failed(400, 'lease is not renewable');
      return OK({ auth: { client_token: seen.token, lease_duration: own.ttl, renewable: true } });
    }
    if (action === 'revoke-self') {
      this.tokens.delete(seen.token ?? '');
      return NONE;
    }
    return this.#byAccessor(action, seen);
  }

  #byAccessor(action: string, seen: SeenRequest): FakeAnswer {
    const entry = [...this.tokens].find(([, token]) => token.accessor === seen.body['accessor']);
    if (entry === undefined) return failed(400, '1 error occurred:\n\t* invalid accessor\n\n');
    const [name, token] = entry;
    if (action === 'lookup-accessor') return answer({ meta: token.metadata });
    if (action === 'renew-accessor') {
      token.ttl = Number(seen.body['increment']);
      return OK({ auth: { lease_duration: token.ttl, renewable: true } });
    }
    this.tokens.delete(name);
    for (const [lease, { accessor }] of this.leases) {
      if (accessor === token.accessor) this.leases.delete(lease);
    }
    return NONE;
  }

  #createToken(seen: SeenRequest): FakeAnswer {
    const name = `s.${randomBytes(12).toString('hex')}`;
    const accessor = randomBytes(12).toString('hex');
    const ttl = Number.parseInt(String(seen.body['ttl']), 10);
    this.tokens.set(name, { accessor, metadata: seen.body['meta'], ttl });
    const orphan = this.tokenRole?.['orphan'] === true;
    return OK({
      auth: { client_token: name, accessor, lease_duration: ttl, renewable: true, orphan },
    });
  }

  #system(action: string, seen: SeenRequest): FakeAnswer {
    if (action === 'capabilities-self') {
      const paths = seen.body['paths'] as string[];
      return answer(Object.fromEntries(paths.map((path) => [path, ['update']])));
    }
    if (action === 'leases/renew') {
      const lease = this.leases.get(String(seen.body['lease_id']));
      if (lease === undefined) return failed(400, 'lease not found');
      lease.seconds = Number(seen.body['increment']);
      return OK({
        lease_id: seen.body['lease_id'],
        lease_duration: lease.seconds,
        renewable: true,
      });
    }
    if (action === 'leases/revoke') {
      this.leases.delete(String(seen.body['lease_id']));
      return NONE;
    }
    const mount = { 'internal/ui/mounts/secret': '2', 'internal/ui/mounts/old': '1' }[action];
    return mount === undefined
      ? failed(403, 'preflight capability check returned 403')
      : answer({ type: 'kv', options: { version: mount } });
  }
}

/** Refuses a login as OpenBao 2.7.2 does. Roles are `r` (AppRole) and `broker`, the credential is `right`. */
function refusedLogin(mount: string, body: SeenRequest['body']): FakeAnswer | undefined {
  const isRight = [body['secret_id'], body['jwt']].includes('right');
  switch (mount) {
    case 'approle':
      return isRight && body['role_id'] === 'r'
        ? undefined
        : failed(400, 'invalid role or secret ID');
    case 'kubernetes':
      if (body['role'] !== 'broker') return failed(400, 'invalid role name "…"');
      return isRight ? undefined : failed(403, 'permission denied');
    case 'jwt':
      if (body['role'] !== 'broker') return failed(400, 'role "…" could not be found');
      return isRight
        ? undefined
        : failed(400, 'error validating token: invalid subject (sub) claim');
    default:
      return failed(403, 'permission denied');
  }
}

function list(tree: ReadonlyMap<string, unknown>, folder: string): FakeAnswer {
  const below = [...tree.keys()].filter((path) => path.startsWith(folder));
  const keys = new Set(below.map((path) => /^[^/]*\/?/.exec(path.slice(folder.length))?.[0] ?? ''));
  return keys.size === 0 ? failed(404) : answer({ keys: [...keys] });
}

function send(response: ServerResponse, given: FakeAnswer): void {
  const body = given.body === undefined ? '' : JSON.stringify(given.body);
  const type = body === '' ? {} : { 'content-type': 'application/json' };
  response.writeHead(given.status, { ...type, ...given.headers });
  response.end(body);
}

function one(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : header?.[0];
}
