import { BrokerError } from '../../../src/domain/errors.ts';
import type { EnrollingClusterSpec } from '../../../src/domain/identity/cluster.ts';
import type { Sensitive } from '../../../src/domain/secrets/sensitive.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { KubernetesApi, KubernetesRequest } from '../../../src/ports/kubernetes-api.ts';

interface Issued {
  readonly server: string;
  /** `<namespace>/<name>` */
  readonly account: string;
  readonly endsAt: number;
}

/** API servers that issue tokens of service accounts, as TokenRequest does. An account may request tokens of itself only. */
export class IssuingServers {
  readonly #clock: Clock;
  readonly #issued = new Map<string, Issued>();
  /** Tokens that were shown to a server that had not issued them. */
  readonly shownElsewhere: string[] = [];
  requests = 0;
  isDown = false;
  /** Ends every token, as the deletion of the Secret does. */
  revokedBefore = 0;
  issuer = 'https://issuer.test';
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  issue(server: string, account: string, lifeMs: number): string {
    const sub = `system:serviceaccount:${account.replace('/', ':')}`;
    const iat = Math.floor(this.#clock.now() / 1_000);
    const payload = { iss: this.issuer, sub, iat, exp: iat + lifeMs / 1_000 };
    const claims = Buffer.from(JSON.stringify(payload)).toString('base64url');
    this.#count += 1;
    const token = `h.${claims}.${this.#count}`;
    this.#issued.set(token, { server, account, endsAt: this.#clock.now() + lifeMs });
    return token;
  }

  find(token: string): Issued | undefined {
    return this.#issued.get(token);
  }

  isValid(token: string): boolean {
    const issued = this.#issued.get(token);
    const number = Number(token.split('.')[2]);
    return issued !== undefined && issued.endsAt > this.#clock.now() && number > this.revokedBefore;
  }

  /** Deletes the Secrets and creates them again. */
  revokeAll(): void {
    this.revokedBefore = this.#count;
  }

  readonly open = (
    { apiServer }: EnrollingClusterSpec,
    token: () => Sensitive<string> | undefined,
  ): KubernetesApi => ({
    server: apiServer.url,
    call: (request) => this.#call(apiServer.url, request, token()?.reveal() ?? ''),
    stream: () => Promise.reject(new BrokerError('ERR_PROVIDER_UNAVAILABLE')),
    close: () => undefined,
  });

  async #call(server: string, { path, body }: KubernetesRequest, token: string): Promise<unknown> {
    this.requests += 1;
    await Promise.resolve();
    if (this.isDown) throw new BrokerError('ERR_PROVIDER_UNAVAILABLE');
    const issued = this.find(token);
    if (issued !== undefined && issued.server !== server) this.shownElsewhere.push(token);
    const account = `${path[3] ?? ''}/${path[5] ?? ''}`;
    if (!this.isValid(token) || issued?.server !== server || issued.account !== account)
      throw new BrokerError('ERR_PROVIDER_DENIED', undefined, { reason: 'http_401' });
    const { spec } = body as { readonly spec: { readonly expirationSeconds: number } };
    const lifeMs = spec.expirationSeconds * 1_000;
    const next = this.issue(server, account, lifeMs);
    return { status: { token: next } };
  }
}
