import * as z from 'zod';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { PublishedVersion, SecretPublishing } from '../../../ports/secret-provider.ts';
import { ANCHOR_TYPE } from '../credentials.ts';
import { hasStatus } from '../errors.ts';
import type { GuardedApi } from '../client/client.ts';
import { parseLocation } from '../location.ts';
import { isDataKey } from '../config.ts';
import { MAX_SECRET_BYTES, readSecretObject } from './secret-object.ts';

/** Number of concurrent writes after which another controller keeps overwriting the Secret. */
const TRIES = 4;
const MERGE = 'application/merge-patch+json';
/** Types of Secrets that Kubernetes writes itself. */
const MANAGED_TYPES = [
  'kubernetes.io/service-account-token',
  'bootstrap.kubernetes.io/token',
  ANCHOR_TYPE,
];

const headSchema = z.object({
  metadata: z.object({ resourceVersion: z.string().min(1).max(128) }),
  immutable: z.boolean().nullish(),
  type: z.string().nullish(),
});

/**
 * Writes rotated values to a Secret: a merge patch of the changed keys, against the resource version that was read. Labels, annotations and
 * other keys stay. It compares content, so it does not write a present value again. It only writes a Secret that exists.
 */
export class KubernetesPublishing implements SecretPublishing {
  readonly #api: GuardedApi;

  constructor(api: GuardedApi) {
    this.#api = api;
  }

  async publish(
    locator: string,
    data: SecretData,
    _token: string,
    context: CallContext,
  ): Promise<PublishedVersion> {
    const location = parseLocation(locator);
    if (location.kind !== 'secret') throw new BrokerError('ERR_NOT_FOUND');
    const { namespace, name, key } = location;
    const wanted = encoded(data, key);
    const path = ['api', 'v1', 'namespaces', namespace, 'secrets', name];
    for (let left = TRIES; left > 0; left -= 1) {
      const request = { method: 'GET', path, maxBytes: MAX_SECRET_BYTES } as const;
      const answer = await this.#api.call(request, context);
      const current = encoded(Object.fromEntries(readSecretObject(answer, namespace, name)));
      const changed = [...wanted].filter(([name, value]) => current.get(name) !== value);
      const on = writableVersion(answer);
      if (changed.length === 0) return { version: '' };
      const body = { metadata: { resourceVersion: on }, data: Object.fromEntries(changed) };
      if (await this.#patch(path, body, context)) return { version: '' };
    }
    throw new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { reason: 'contended' });
  }

  /** False if another writer changed the Secret meanwhile. */
  async #patch(path: readonly string[], body: unknown, context: CallContext): Promise<boolean> {
    const query = { fieldManager: 'quaymaster' };
    const maxBytes = MAX_SECRET_BYTES;
    try {
      await this.#api.call(
        { method: 'PATCH', path, query, body, contentType: MERGE, maxBytes },
        context,
      );
      return true;
    } catch (error) {
      if (hasStatus(error, 409)) return false;
      throw error;
    }
  }
}

/** The resource version to write against. @throws ERR_CONFLICT for a Secret that must not be written. */
function writableVersion(answer: unknown): string {
  const head = headSchema.safeParse(answer);
  if (!head.success) {
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_as_asked' });
  }
  const { immutable, type, metadata } = head.data;
  if (immutable === true) throw conflict('immutable', 'the Secret is immutable: it cannot change');
  if (MANAGED_TYPES.includes(type ?? '')) {
    throw conflict('managed_secret', 'Kubernetes itself writes Secrets of this type');
  }
  return metadata.resourceVersion;
}

function encoded(data: SecretData, only?: string): ReadonlyMap<string, string> {
  const entries = Object.entries(data);
  if (only !== undefined && (entries.length !== 1 || entries[0]?.[0] !== only)) {
    const detail = 'the reference names one key: a value of others needs the whole Secret';
    throw conflict('one_key', detail);
  }
  const unfit = entries.some(([key]) => !isDataKey(key));
  if (unfit) throw conflict('key_names', 'keys of a Secret are of [-._a-zA-Z0-9]');
  return new Map(
    entries.map(([key, value]) => [
      key,
      typeof value === 'string' ? Buffer.from(value).toString('base64') : value.base64,
    ]),
  );
}

function conflict(reason: string, detail: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail, { reason });
}
