import * as z from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import type {
  CredentialRequest,
  DynamicCredentials,
  IssuedCredential,
} from '../../ports/secret-provider.ts';
import { parseOptions } from '../parse-options.ts';
import { MIN_TOKEN_SECONDS, tokenRef, isSubdomain } from './config.ts';
import { hasStatus } from './errors.ts';
import type { GuardedApi } from './client/client.ts';
import { parseLocation } from './location.ts';

const tokenAnswer = z.object({
  status: z.object({ token: z.string().min(1).max(16_384), expirationTimestamp: z.iso.datetime() }),
});

/**
 * Tokens of a service account (TokenRequest). Each is bound to its own anchor Secret: deleting the anchor ends the token. The API server
 * itself caches an accepted token for up to 10 s.
 */
export class TokenCredentials implements DynamicCredentials {
  readonly revocation = 'revocable';
  readonly #api: GuardedApi;
  readonly #clock: Clock;
  readonly #namespace: string;

  /** `namespace`: the mount's. A handle with another namespace is refused, even if the stored row contains it. */
  constructor(api: GuardedApi, namespace: string, clock: Clock) {
    this.#api = api;
    this.#namespace = namespace;
    this.#clock = clock;
  }

  begin({ intentId, locator, ttlSeconds, ref }: CredentialRequest): string {
    const location = parseLocation(locator);
    const { serviceAccount, audiences, expirationSeconds } = parseOptions(tokenRef, ref);
    if (location.kind !== 'token' || location.serviceAccount !== serviceAccount) {
      throw new BrokerError('ERR_INTERNAL');
    }
    const { namespace } = location;
    const ttl = Math.min(ttlSeconds, expirationSeconds);
    const anchor = anchorName(intentId);
    return formatHandle({ v: 1, namespace, serviceAccount, audiences, ttl, anchor });
  }

  async prepare(text: string, context: CallContext): Promise<string> {
    const handle = this.#bounded(text);
    const uid = await this.#anchor(handle, context);
    return formatHandle({ ...handle, uid });
  }

  async issue(text: string, context: CallContext): Promise<IssuedCredential> {
    const handle = this.#bounded(text);
    if (handle.uid === undefined) throw new BrokerError('ERR_INTERNAL');
    const answer = await this.#api.call(tokenRequest(handle), context);
    const parsed = tokenAnswer.safeParse(answer);
    if (!parsed.success) throw malformed('not_a_token');
    const { token, expirationTimestamp } = parsed.data.status;
    const ttlSeconds = this.#secondsLeft(expirationTimestamp, handle.ttl);
    return { data: { token }, ttlSeconds, renewable: false, handle: text };
  }

  /** @throws ERR_CONFLICT always: a token's expiry is part of its signature. */
  renew(): Promise<number> {
    const detail = 'a Kubernetes token is not renewable: ask for another credential';
    return Promise.reject(new BrokerError('ERR_CONFLICT', detail));
  }

  async revoke(text: string, context: CallContext): Promise<void> {
    const handle = this.#bounded(text);
    const { namespace, anchor } = handle;
    try {
      const uid = await this.#findAnchor(handle, context);
      if (uid === undefined) return;
      const body = { preconditions: { uid } };
      const path = [...secretsOf(namespace), anchor];
      await this.#api.call({ method: 'DELETE', path, body }, context);
    } catch (error) {
      // 409: another object has the name now; the anchor is gone.
      if (!hasStatus(error, 404) && !hasStatus(error, 409)) throw error;
    }
  }

  /**
   * A handle comes from the database. If an attacker writes there, the broker must not use its own rights on a Secret that it did not
   * create.
   * @throws ERR_DENIED for another namespace, or a name that is not an anchor's.
   */
  #bounded(text: string): TokenHandle {
    const handle = parseHandle(text);
    if (handle.namespace === this.#namespace && isAnchorName(handle.anchor)) return handle;
    throw new BrokerError(
      'ERR_DENIED',
      'the stored handle of this credential names a Secret that the broker did not create for this mount',
      { reason: 'out_of_bounds' },
    );
  }

  /**
   * The UID of the anchor. The handle alone does not prove that its UID is an anchor's, and without one the process died before it stored it. If the
   * broker may not read Secrets, the MAC of the stored row is the only proof.
   * @returns undefined if another object has the name: then the anchor does not exist.
   */
  async #findAnchor(
    { namespace, anchor, uid }: TokenHandle,
    context: CallContext,
  ): Promise<string | undefined> {
    const path = [...secretsOf(namespace), anchor];
    try {
      const found = await this.#api.call({ method: 'GET', path }, context);
      const foundUid = isAnchor(found, anchor) ? anchorUid(found, anchor) : undefined;
      return uid === undefined || uid === foundUid ? foundUid : undefined;
    } catch (error) {
      if (uid === undefined || !hasStatus(error, 403)) throw error;
      return uid;
    }
  }

  async #anchor(handle: TokenHandle, context: CallContext): Promise<string> {
    const { namespace, anchor, serviceAccount } = handle;
    const path = secretsOf(namespace);
    const body = anchorObject(anchor, serviceAccount);
    try {
      return anchorUid(await this.#api.call({ method: 'POST', path, body }, context), anchor);
    } catch (error) {
      // An earlier attempt for this intent succeeded, but its answer was lost.
      if (!hasStatus(error, 409)) throw error;
      const found = await this.#api.call({ method: 'GET', path: [...path, anchor] }, context);
      return anchorUid(found, anchor);
    }
  }

  /** A token that lives longer than requested is still revoked at the requested end. */
  #secondsLeft(expirationTimestamp: string, asked: number): number {
    const left = Math.floor((Date.parse(expirationTimestamp) - this.#clock.now()) / 1000);
    if (!Number.isSafeInteger(left) || left <= 0) throw malformed('expired_token');
    return Math.min(left, asked);
  }
}

function secretsOf(namespace: string): readonly string[] {
  return ['api', 'v1', 'namespaces', namespace, 'secrets'];
}

function tokenRequest({ namespace, serviceAccount, audiences, ttl, anchor, uid }: TokenHandle) {
  return {
    method: 'POST',
    path: ['api', 'v1', 'namespaces', namespace, 'serviceaccounts', serviceAccount, 'token'],
    body: {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences,
        expirationSeconds: Math.max(ttl, MIN_TOKEN_SECONDS),
        boundObjectRef: { apiVersion: 'v1', kind: 'Secret', name: anchor, uid },
      },
    },
  } as const;
}

function malformed(reason: string): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
}

const tokenHandle = z.strictObject({
  v: z.literal(1),
  namespace: z.string(),
  serviceAccount: z.string(),
  audiences: z.array(z.string()),
  /** The limit of the lease. The token itself lives at least Kubernetes' minimum, unless revoked. */
  ttl: z.int(),
  anchor: z.string(),
  /** UID of the anchor, known once it exists. */
  uid: z.string().optional(),
});

/** The data that revokes a token; internals/spec/kubernetes-token-handle-v1.md. It contains no secret. */
export type TokenHandle = z.infer<typeof tokenHandle>;

function formatHandle(handle: TokenHandle): string {
  return JSON.stringify(handle);
}

/** @throws ERR_INTERNAL for a text that `formatHandle` did not write. */
function parseHandle(text: string): TokenHandle {
  try {
    return tokenHandle.parse(JSON.parse(text));
  } catch (cause) {
    throw new BrokerError('ERR_INTERNAL', undefined, { cause });
  }
}

/** Label of each anchor, so that lists of secrets skip it and operators recognize it. */
export const ANCHOR_LABEL = 'quaymaster.dev/credential';
export const ANCHOR_TYPE = 'quaymaster.dev/anchor';

const NAME_PREFIX = 'quaymaster-';

/** The name of the anchor Secret of an intent's token. It derives from the intent, so the intent alone finds it. @throws ERR_INTERNAL */
function anchorName(intentId: string): string {
  const name = `${NAME_PREFIX}${intentId.toLowerCase().replaceAll('_', '-')}`;
  if (!isSubdomain(name)) throw new BrokerError('ERR_INTERNAL');
  return name;
}

/** Reports whether `anchorName` can have written this name. */
function isAnchorName(name: string): boolean {
  return name.startsWith(NAME_PREFIX) && isSubdomain(name);
}

/** An immutable empty Secret: while it exists, tokens bound to it are accepted. */
function anchorObject(name: string, serviceAccount: string): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name,
      labels: { 'app.kubernetes.io/managed-by': 'quaymaster', [ANCHOR_LABEL]: 'token' },
      annotations: { 'quaymaster.dev/service-account': serviceAccount },
    },
    type: ANCHOR_TYPE,
    immutable: true,
  };
}

const anchor = z.object({
  kind: z.literal('Secret'),
  type: z.literal(ANCHOR_TYPE),
  metadata: z.object({ name: z.string(), uid: z.string().min(1).max(128) }),
});

/** Reports whether the answer is the broker's anchor of that name. The type of a Secret cannot change after its creation. */
function isAnchor(answer: unknown, name: string): boolean {
  return anchor.safeParse(answer).data?.metadata.name === name;
}

/** @throws ERR_PROVIDER_MALFORMED unless the answer is the broker's anchor of that name. */
function anchorUid(answer: unknown, name: string): string {
  const parsed = anchor.safeParse(answer);
  if (parsed.data?.metadata.name === name) return parsed.data.metadata.uid;
  throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_an_anchor' });
}
