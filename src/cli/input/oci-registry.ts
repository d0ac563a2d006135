import type { IncomingHttpHeaders } from 'node:http';
import * as z from 'zod';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { HttpClient } from '../../net/https/http-client.ts';
import { parseJson } from '../../net/https/parse-json.ts';
import { readBody } from '../../net/https/read-body.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { EXIT, Failed } from '../kernel/errors.ts';
import { jsonObject } from './json-object.ts';

type Content = Readonly<Record<string, unknown>>;

interface Image {
  /** Host and path. */
  readonly repository: string;
  readonly digest: string;
}

/** The clock for deadlines, and the signal of Ctrl-C and SIGTERM. */
interface Timing {
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

interface RegistryAccess {
  readonly ca?: string;
  /** `user:password` */
  readonly login?: string;
  /** Hosts besides the registry's that belong to it: they hand out tokens, or have its blobs. */
  readonly hosts?: readonly string[];
}

const TIMEOUT_MS = 30_000;
/** Limit of all requests together: a slow registry could otherwise hold a pipeline for an hour. */
const TOTAL_MS = 300_000;
const MOST_TOKEN_BYTES = 65_536;
const MOST_BYTES = 1_048_576;
const MOST_REFERRERS = 50;
const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const SIGNATURE = 'dev.cosignproject.cosign/signature';
const CERTIFICATE = 'dev.sigstore.cosign/certificate';
const REKOR_BUNDLE = 'dev.sigstore.cosign/bundle';
const ACCEPT = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
].join(', ');

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const index = z.object({
  manifests: z.array(z.object({ digest, artifactType: z.string().optional() })).max(1_000),
});
const layer = z.object({
  digest,
  mediaType: z.string(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const manifest = z.object({
  artifactType: z.string().optional(),
  subject: z.object({ digest }).optional(),
  layers: z.array(layer).max(MOST_REFERRERS),
});

/**
 * Fetches the signatures and attestations of an image from its registry: bundles that refer to it, and signatures under the tag
 * `sha256-….sig`. Everything is compared with its digest, and bounded. Tokens and redirects are taken from the hosts that the
 * caller names only: another server would learn the password, or be asked for what only this machine can reach.
 * @throws Failed
 */
export async function fetchAttestations(
  image: Image,
  access: RegistryAccess,
  { clock, signal }: Timing,
): Promise<readonly Content[]> {
  return withDeadline(clock, TOTAL_MS, async (deadline) => {
    const within = AbortSignal.any([signal, deadline]);
    const registry = new Registry(image, access, { clock, signal: within });
    try {
      return [...(await bundles(registry, image)), ...(await simpleSignings(registry, image))];
    } finally {
      registry.close();
    }
  });
}

async function bundles(registry: Registry, image: Image): Promise<readonly Content[]> {
  const tag = image.digest.replace(':', '-');
  const listed =
    (await registry.get(`referrers/${image.digest}`)) ?? (await registry.get(`manifests/${tag}`));
  if (listed === undefined) return [];
  const { manifests } = registry.parse(index, listed);
  const found: Content[] = [];
  const candidates = manifests.filter(({ artifactType = BUNDLE }) => artifactType === BUNDLE);
  // The first ones could belong to an attacker who may write to the registry.
  if (candidates.length > MOST_REFERRERS) {
    throw new Failed(
      `the registry has ${candidates.length} attestations of the image, and the broker takes ${MOST_REFERRERS}: delete some, or push the files that count`,
    );
  }
  for (const each of candidates) {
    const { subject, layers } = registry.parse(
      manifest,
      await registry.content('manifests', each.digest),
    );
    const [only, ...more] = layers;
    if (subject?.digest !== image.digest || only?.mediaType !== BUNDLE || more.length > 0) continue;
    const bundle = await registry.content('blobs', only.digest);
    found.push(registry.object(bundle.toString(), `the bundle ${only.digest}`));
  }
  return found;
}

async function simpleSignings(registry: Registry, image: Image): Promise<readonly Content[]> {
  const stored = await registry.get(`manifests/${image.digest.replace(':', '-')}.sig`);
  if (stored === undefined) return [];
  const found: Content[] = [];
  for (const { digest: at, annotations = {} } of registry.parse(manifest, stored).layers) {
    const signature = annotations[SIGNATURE];
    if (signature === undefined) continue;
    const payload = (await registry.content('blobs', at)).toString('base64');
    found.push({ payload, signature, ...keylessOf(registry, annotations) });
  }
  return found;
}

/** The certificate and the log entry, if cosign 2 signed without a key. */
function keylessOf(registry: Registry, annotations: Readonly<Record<string, string>>): Content {
  const { [CERTIFICATE]: certificate, [REKOR_BUNDLE]: bundle } = annotations;
  if (certificate === undefined || bundle === undefined) return {};
  return { certificate, rekorBundle: registry.object(bundle, `the annotation ${REKOR_BUNDLE}`) };
}

interface RegistryAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

/** One repository of one registry (OCI distribution specification 1.1). */
class Registry {
  readonly #http: HttpClient;
  readonly #others = new Map<string, HttpClient>();
  readonly #origin: URL;
  readonly #name: string;
  readonly #access: RegistryAccess;
  readonly #timing: Timing;
  #authorization: string | undefined;

  constructor({ repository }: Image, access: RegistryAccess, timing: Timing) {
    const slash = repository.indexOf('/');
    const host = repository.slice(0, slash);
    if (slash === -1 || !/[.:]|^localhost$/.test(host)) {
      throw new Failed(`the image must name its registry: HOST/${repository}`);
    }
    // Only the registry of a test on this machine speaks HTTP without TLS.
    const isPlain = isLocal(host) && access.ca === undefined;
    this.#origin = new URL(`${isPlain ? 'http' : 'https'}://${host}`);
    this.#name = repository.slice(slash + 1);
    this.#access = access;
    this.#timing = timing;
    this.#http = this.#client(isPlain);
  }

  close(): void {
    for (const http of [this.#http, ...this.#others.values()]) http.close();
  }

  /** Gets content; undefined if the registry does not have it. */
  async get(place: string): Promise<Buffer | undefined> {
    const { status, bytes } = await this.#getFollowed(place);
    if (status === 404) return undefined;
    if (status === 200) return bytes;
    const login = status === 401 ? '; give --registry-login' : '';
    throw this.#failed(`answers with status ${status} for ${this.#name}/${place}${login}`);
  }

  /** Fetches the content that has this digest. */
  async content(kind: 'manifests' | 'blobs', at: string): Promise<Buffer> {
    const bytes = await this.get(`${kind}/${at}`);
    if (bytes === undefined || `sha256:${sha256Hex(bytes)}` !== at) {
      throw this.#failed(`does not have ${at}, or sends other bytes`);
    }
    return bytes;
  }

  parse<T>(schema: z.ZodType<T>, bytes: Buffer): T {
    try {
      return schema.parse(parseJson(bytes));
    } catch {
      throw this.#failed('sends an index, a manifest or a token that is not valid');
    }
  }

  object(text: string, what: string): Content {
    const members = jsonObject(text);
    if (members === undefined) throw this.#failed(`sends ${what}, which is not a JSON object`);
    return members;
  }

  #failed(why: string): Failed {
    return new Failed(`the registry ${this.#origin.host} ${why}`);
  }

  /** Follows one redirect to a host that the caller named, without the credentials. */
  async #getFollowed(place: string): Promise<RegistryAnswer> {
    const answer = await this.#getAuthorized(place);
    const { location } = answer.headers;
    if (answer.status < 300 || answer.status >= 400 || location === undefined) return answer;
    const next = URL.parse(location, this.#origin.href);
    return this.#send(this.#allowed(next, 'redirects to'), {});
  }

  async #getAuthorized(place: string): Promise<RegistryAnswer> {
    const target = `/v2/${this.#name}/${place}`;
    const send = (): Promise<RegistryAnswer> => {
      const authorization = this.#authorization;
      return this.#send(this.#origin, { ...(authorization && { authorization }) }, target);
    };
    const answer = await send();
    if (answer.status !== 401 || this.#authorization !== undefined) return answer;
    this.#authorization = await this.#authorize(answer.headers['www-authenticate'] ?? '');
    return this.#authorization === undefined ? answer : send();
  }

  /** Answers the challenge of the registry: with the login, or with a token of the server that it names. Undefined if neither is possible. */
  async #authorize(challenge: string): Promise<string | undefined> {
    const { login } = this.#access;
    const basic = login && `Basic ${Buffer.from(login).toString('base64')}`;
    if (!/^bearer /i.test(challenge)) return basic;
    const realm = URL.parse(parameterOf(challenge, 'realm') ?? '');
    const url = new URL(this.#allowed(realm, 'wants a token of').href);
    const service = parameterOf(challenge, 'service');
    if (service !== undefined) url.searchParams.set('service', service);
    // Never the scope of the challenge: it could ask for more than reading this repository.
    url.searchParams.set('scope', `repository:${this.#name}:pull`);
    const answer = await this.#send(url, { ...(basic && { authorization: basic }) });
    if (answer.status !== 200 || answer.bytes.length > MOST_TOKEN_BYTES) {
      throw this.#failed(`gives no token: ${url.host} answers with status ${answer.status}`);
    }
    const { token, access_token: accessToken } = this.parse(tokenAnswer, answer.bytes);
    return `Bearer ${token ?? accessToken ?? ''}`;
  }

  /** @throws Failed if the host is not the registry and not one that the caller named */
  #allowed(url: URL | null, does: string): URL {
    const { hosts = [] } = this.#access;
    if (url !== null && url.username === '' && url.password === '') {
      if (url.origin === this.#origin.origin) return url;
      const isSafe = url.protocol === 'https:' || (isLocal(url.host) && isLocal(this.#origin.host));
      if (isSafe && hosts.includes(url.host)) return url;
      throw this.#failed(
        `${does} ${url.host}: give --registry-host ${url.host} if that server belongs to it, or push the files`,
      );
    }
    throw this.#failed(`${does} an address that is not valid`);
  }

  #client(isPlain: boolean): HttpClient {
    const { ca } = this.#access;
    return new HttpClient({ tls: isPlain ? 'off' : { ...(ca !== undefined && { ca }) } });
  }

  /** One client for each host, as `HttpClient` demands. */
  #clientOf({ origin, protocol }: URL): HttpClient {
    if (origin === this.#origin.origin) return this.#http;
    const known = this.#others.get(origin) ?? this.#client(protocol === 'http:');
    this.#others.set(origin, known);
    return known;
  }

  async #send(
    url: URL,
    headers: Readonly<Record<string, string>>,
    target = url.pathname + url.search,
  ): Promise<RegistryAnswer> {
    const { clock, signal } = this.#timing;
    const request = { method: 'GET', url, target, headers: { accept: ACCEPT, ...headers } };
    try {
      return await withDeadline(clock, TIMEOUT_MS, async (deadline) => {
        const both = AbortSignal.any([signal, deadline]);
        const response = await this.#clientOf(url).open({ ...request, signal: both });
        const bytes = await readBody(response, MOST_BYTES);
        return { status: response.statusCode ?? 0, headers: response.headers, bytes };
      });
    } catch (error) {
      if (signal.aborted && (signal.reason as Error).name !== 'TimeoutError') throw signal.reason;
      const { code, reason } = error as { readonly code?: string; readonly reason?: string };
      const why = reason ?? code ?? 'no complete response';
      throw new Failed(`the registry ${url.host} cannot be read: ${why}`, EXIT.unreachable);
    }
  }
}

const tokenAnswer = z
  .object({ token: z.string().min(1).optional(), access_token: z.string().min(1).optional() })
  .refine(({ token, access_token: other }) => isToken(token ?? other));

/** A token that is a header value: another one could add a header. */
function isToken(text: string | undefined): boolean {
  return text !== undefined && /^[!-~]{1,16384}$/.test(text);
}

/** The value of a parameter of a challenge (RFC 9110 section 11.6.1). */
function parameterOf(challenge: string, name: string): string | undefined {
  return new RegExp(`[ ,]${name}="([^"\\\\]{1,1024})"`, 'i').exec(challenge)?.[1];
}

function isLocal(host: string): boolean {
  return /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/.test(host);
}
