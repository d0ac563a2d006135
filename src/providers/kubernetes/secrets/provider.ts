import { BrokerError } from '../../../domain/errors.ts';
import { isPathSegment } from '../../../domain/words/names.ts';
import type { Page, PageRequest } from '../../../domain/page.ts';
import type { SecretData, SecretListing, SecretVersion } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { Clock } from '../../../ports/clock.ts';
import type {
  CheckReport,
  DynamicCredentials,
  SecretProvider,
  SecretPublishing,
} from '../../../ports/secret-provider.ts';
import { parseOptions } from '../../parse-options.ts';
import { refuseForbiddenAudiences, refused, type KubernetesBounds } from '../bounds.ts';
import { checkNamespace } from '../check.ts';
import { secretRef, tokenRef, isDataKey, isSubdomain } from '../config.ts';
import type { GuardedApi } from '../client/client.ts';
import { listSecretNames } from './list.ts';
import { formatLocation, parseLocation, type KubernetesLocation } from '../location.ts';
import { KubernetesPublishing } from './publishing.ts';
import { MAX_SECRET_BYTES, readSecretObject } from './secret-object.ts';
import { TokenCredentials } from '../credentials.ts';

/**
 * Provider of the Secrets of one namespace and of the tokens of its service accounts. Kubernetes has no versions:
 * `version` is ''.
 */
export class KubernetesSecretsProvider implements SecretProvider {
  readonly covers: string;
  readonly credentials: DynamicCredentials;
  readonly publishing: SecretPublishing;
  readonly #api: GuardedApi;
  readonly #namespace: string;
  readonly #bounds: KubernetesBounds;

  constructor(
    api: GuardedApi,
    namespace: string,
    parts: KubernetesBounds & { readonly clock: Clock },
  ) {
    this.#api = api;
    this.#namespace = namespace;
    this.#bounds = parts;
    this.covers = `${namespace}/`;
    this.credentials = new TokenCredentials(api, namespace, parts.clock);
    this.publishing = new KubernetesPublishing(api);
  }

  locate(rest: string, ref?: unknown): string {
    return formatLocation(ref === undefined ? this.#named(rest) : this.#referenced(ref));
  }

  /** Gives no name for the token of a service account: names below the mount belong to Secrets. */
  restOf(ref: unknown): string | undefined {
    if (isTokenRef(ref)) {
      parseOptions(tokenRef, ref);
      return undefined;
    }
    const { name, key } = parseOptions(secretRef, ref);
    return key === undefined ? name : `${name}/${key}`;
  }

  async read(
    locator: string,
    version: string | undefined,
    context: CallContext,
  ): Promise<SecretVersion> {
    const location = parseLocation(locator);
    if (location.kind !== 'secret' || (version !== undefined && version !== '')) {
      throw new BrokerError('ERR_NOT_FOUND');
    }
    const values = await this.#values(location.name, context);
    const data =
      location.key === undefined ? Object.fromEntries(values) : pick(values, location.key);
    // An empty Secret counts as not found.
    if (Object.keys(data).length === 0) throw new BrokerError('ERR_NOT_FOUND');
    return { data, version: '' };
  }

  /** Lists all Secrets of the namespace, or the keys of the one named `prefix`. */
  async list(
    prefix: string,
    page: PageRequest,
    context: CallContext,
  ): Promise<Page<SecretListing>> {
    if (prefix === '') return listSecretNames(this.#api, this.#namespace, page, context);
    if (!isSubdomain(prefix)) return { items: [] };
    const values = await this.#values(prefix, context);
    const names = [...values.keys()].filter(isPathSegment).sort();
    const rest = names
      .map((key) => ({ name: `${prefix}/${key}` }))
      .filter(({ name }) => name > (page.after ?? ''));
    const items = rest.slice(0, page.limit);
    return { items, next: rest.length > items.length ? items.at(-1)?.name : undefined };
  }

  check(context: CallContext): Promise<CheckReport> {
    return checkNamespace(this.#api, this.#namespace, context);
  }

  async #values(name: string, context: CallContext): Promise<ReturnType<typeof readSecretObject>> {
    const namespace = this.#namespace;
    const path = ['api', 'v1', 'namespaces', namespace, 'secrets', name];
    const answer = await this.#api.call(
      { method: 'GET', path, maxBytes: MAX_SECRET_BYTES },
      context,
    );
    return readSecretObject(answer, namespace, name);
  }

  #named(rest: string): KubernetesLocation {
    const [name, key, ...more] = rest.split('/');
    const isReachable = name !== undefined && isSubdomain(name) && more.length === 0;
    if (!isReachable || (key !== undefined && !isDataKey(key))) {
      const detail =
        'below a Kubernetes mount a path is <secret> or <secret>/<key>, as Kubernetes names them';
      throw new BrokerError('ERR_PATH_INVALID', detail);
    }
    return { kind: 'secret', namespace: this.#namespace, name, key };
  }

  #referenced(ref: unknown): KubernetesLocation {
    const namespace = this.#namespace;
    if (!isTokenRef(ref)) {
      return { kind: 'secret', namespace, ...parseOptions(secretRef, ref) };
    }
    const token = parseOptions(tokenRef, ref);
    if (token.namespace !== undefined && token.namespace !== namespace) {
      throw refused('/namespace', "a token's account is in the mount's namespace");
    }
    refuseForbiddenAudiences(token.audiences, this.#bounds);
    return { kind: 'token', namespace, serviceAccount: token.serviceAccount };
  }
}

function isTokenRef(ref: unknown): boolean {
  return typeof ref === 'object' && ref !== null && 'serviceAccount' in ref;
}

function pick(values: ReadonlyMap<string, SecretData[string]>, key: string): SecretData {
  const value = values.get(key);
  return value === undefined ? {} : { [key]: value };
}
