import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { KubernetesAccess } from '../../../src/providers/kubernetes/config.ts';
import { CertificateAuthority } from '../network/certificates.ts';
import type { CertificateRequest } from '../network/certificates.ts';
import { boundClaims, ecKey, signedToken } from '../identity/token-factory.ts';
import type { SigningKey } from '../identity/token-factory.ts';
import { FakePods } from './fake-pods.ts';
import type { FakePod } from './fake-pods.ts';
import { reviewToken } from './fake-token-review.ts';
import { FakeWatches } from './fake-watches.ts';
import type { ServerFault } from './server-faults.ts';

export interface RecordedRequest {
  readonly operation: Operation;
  readonly method: string;
  readonly url: URL;
  readonly authorization: string | undefined;
  readonly body: string;
}

export type Operation = 'jwks' | 'review' | 'list' | 'watch' | 'pod' | 'discovery' | 'other';

export interface FakeTokenRequest {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly audience: unknown;
  readonly pod?: FakePod;
}

const GOOD_CERTIFICATE: CertificateRequest = {
  commonName: 'kube-apiserver',
  dnsNames: ['localhost'],
  ipAddresses: ['127.0.0.1'],
};

/**
 * Fake kube-apiserver with the operations for logins and the pod watch, over TLS with its own CA. It records every request and
 * follows the test's script.
 */
export class FakeApiServer {
  readonly issuer = 'https://kubernetes.default.svc.cluster.local';
  readonly authority: CertificateAuthority;
  readonly pods = new FakePods();
  readonly watches = new FakeWatches(this.pods);
  readonly requests: RecordedRequest[] = [];
  readonly accounts = new Map<string, string>();
  /** Signs with the last key; publishes and accepts all. */
  keys: SigningKey[] = [ecKey('key-1')];
  /** The bearer token that it accepts. */
  credential: string = randomUUID();
  /** Discovery document of the server; a member set to undefined is left out. */
  discovery: Record<string, unknown> = {};
  readonly #faults = new Map<Operation, ServerFault>();
  readonly #server: Server;
  #directory = '';
  #port = 0;

  private constructor(certificate: CertificateRequest, authority: CertificateAuthority) {
    this.authority = authority;
    this.#server = createServer(this.authority.issue(certificate), (request, response) => {
      void this.#serve(request, response);
    });
  }

  static async start(
    certificate: CertificateRequest = GOOD_CERTIFICATE,
    authority = new CertificateAuthority(),
  ): Promise<FakeApiServer> {
    const fake = new FakeApiServer(certificate, authority);
    const { promise, resolve } = Promise.withResolvers<undefined>();
    fake.#server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    fake.#port = (fake.#server.address() as AddressInfo).port;
    fake.#directory = await mkdtemp(join(tmpdir(), 'qm-kube-'));
    await fake.writeCredential();
    await writeFile(fake.caFile, fake.authority.cert);
    return fake;
  }

  get address(): string {
    return `https://127.0.0.1:${this.#port}`;
  }

  get caFile(): string {
    return join(this.#directory, 'ca.pem');
  }

  /** Access for a client: files with the accepted credential. */
  get access(): KubernetesAccess {
    const tokenFile = join(this.#directory, 'token');
    return { type: 'kubernetes', server: this.address, caFile: this.caFile, tokenFile };
  }

  /** Writes the present credential to the token file, as the kubelet does. */
  async writeCredential(): Promise<void> {
    await writeFile(join(this.#directory, 'token'), `${this.credential}\n`);
  }

  /** The fault of all requests of one operation from now on; undefined: none. */
  script(operation: Operation, fault: ServerFault | undefined): void {
    if (fault === undefined) this.#faults.delete(operation);
    else this.#faults.set(operation, fault);
  }

  countOf(operation: Operation): number {
    return this.requests.filter((request) => request.operation === operation).length;
  }

  createAccount(namespace: string, name: string): string {
    const uid = randomUUID();
    this.accounts.set(`${namespace}/${name}`, uid);
    return uid;
  }

  token(request: FakeTokenRequest, changes: Readonly<Record<string, unknown>> = {}): string {
    const { namespace, serviceAccount, audience, pod } = request;
    const uid = this.accounts.get(`${namespace}/${serviceAccount}`) ?? '';
    const claims = boundClaims({
      issuer: this.issuer,
      audience,
      issuedAt: Math.floor(Date.now() / 1000),
      namespace,
      serviceAccount: { name: serviceAccount, uid },
      pod: pod && { name: pod.metadata.name, uid: pod.metadata.uid },
    });
    return signedToken(this.keys.at(-1)!, { ...claims, ...changes });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#server.close(() => resolve(undefined));
    await promise;
    await rm(this.#directory, { recursive: true });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.address);
    const operation = operationOf(url);
    const body = await text(request).catch(() => '');
    const { method = '' } = request;
    const { authorization } = request.headers;
    this.requests.push({ operation, method, url, authorization, body });
    const fault = this.#faults.get(operation);
    if (fault !== undefined) {
      fault(request, response);
      return;
    }
    const isPublic = operation === 'discovery' || operation === 'jwks';
    const isAnonymous = isPublic && authorization === undefined;
    if (!isAnonymous && authorization !== `Bearer ${this.credential}`) {
      send(response, 401, { kind: 'Status', code: 401, message: `no: ${authorization ?? ''}` });
      return;
    }
    if (operation === 'jwks' && request.headers.accept?.includes('jwk-set+json') !== true) {
      send(response, 406, { kind: 'Status', code: 406 });
      return;
    }
    this.#answer(operation, { url, body }, response);
  }

  #answer(
    operation: Operation,
    { url, body }: { readonly url: URL; readonly body: string },
    response: ServerResponse,
  ): void {
    switch (operation) {
      case 'watch':
        this.watches.serve(url.searchParams, response);
        break;
      case 'list':
        this.#list(url.searchParams, response);
        break;
      case 'pod':
        this.#pod(url, response);
        break;
      case 'review':
        this.#review(body, response);
        break;
      case 'jwks':
        send(response, 200, { keys: this.keys.map(({ jwk }) => jwk) });
        break;
      case 'discovery':
        send(response, 200, {
          issuer: this.address,
          jwks_uri: `${this.address}/openid/v1/jwks`,
          ...this.discovery,
        });
        break;
      case 'other':
        send(response, 404, { kind: 'Status', code: 404 });
    }
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const limit = Number(query.get('limit') ?? Number.MAX_SAFE_INTEGER);
    const page = this.pods.list(limit, query.get('continue') ?? undefined);
    if (page === undefined) send(response, 410, { kind: 'Status', code: 410 });
    else send(response, 200, { kind: 'PodList', ...page });
  }

  #pod(url: URL, response: ServerResponse): void {
    const [, , , , namespace = '', , name = ''] = url.pathname.split('/');
    const pod = this.pods.get(namespace, name);
    send(response, pod === undefined ? 404 : 200, pod ?? { kind: 'Status', code: 404 });
  }

  #review(body: string, response: ServerResponse): void {
    const review = JSON.parse(body) as {
      readonly spec: { readonly token: string; readonly audiences?: readonly string[] };
    };
    const { token, audiences = [this.issuer] } = review.spec;
    send(response, 201, {
      ...review,
      kind: 'TokenReview',
      status: reviewToken(token, audiences, this),
    });
  }
}

function operationOf({ pathname, searchParams }: URL): Operation {
  if (pathname.endsWith('/.well-known/openid-configuration')) return 'discovery';
  if (pathname === '/openid/v1/jwks') return 'jwks';
  if (pathname === '/apis/authentication.k8s.io/v1/tokenreviews') return 'review';
  if (pathname === '/api/v1/pods') return searchParams.has('watch') ? 'watch' : 'list';
  return /^\/api\/v1\/namespaces\/[^/]+\/pods\/[^/]+$/.test(pathname) ? 'pod' : 'other';
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
