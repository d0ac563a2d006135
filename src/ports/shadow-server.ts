import type { Sensitive } from '../domain/secrets/sensitive.ts';
import type { CallContext } from './call-context.ts';

/** A read of the Vault HTTP API for another server. */
export interface ShadowRead {
  /** Path below `/v1/`, not percent-encoded. */
  readonly path: string;
  /** Query with its question mark; '' if there is none. */
  readonly query: string;
  /** The caller's own token at that server. */
  readonly token: Sensitive<string>;
}

export interface ShadowAnswer {
  /** A status with which that server answers a read that it understood. */
  readonly status: 200 | 204 | 400 | 403 | 404 | 405;
  /** JSON as it was sent: attacker-controlled. */
  readonly json: Buffer;
}

/** A server of the Vault HTTP API that answers reads which this broker does not serve. */
export interface ShadowServer {
  /** Sends the read once. @throws ERR_PROVIDER_* */
  read(order: ShadowRead, context: CallContext): Promise<ShadowAnswer>;
}
