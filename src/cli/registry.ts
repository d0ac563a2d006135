import * as z from 'zod';
import { sha256Hex } from '../crypto/digest.ts';
import { HttpClient } from '../net/https/http-client.ts';
import { parseJson } from '../net/https/parse-json.ts';
import { readBody } from '../net/https/read-body.ts';
import { withDeadline } from '../ports/deadline.ts';
import type { CliContext } from './context.ts';
import { EXIT, Failed } from './errors.ts';

type Content = Readonly<Record<string, unknown>>;

interface Image {
  /** Host and path. */
  readonly repository: string;
  readonly digest: string;
}

interface RegistryAccess {
  readonly ca?: string;
  /** `user:password` */
  readonly login?: string;
}

const TIMEOUT_MS = 30_000;
const MOST_BYTES = 1_048_576;
const MOST_REFERRERS = 50;
const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const SIGNATURE = 'dev.cosignproject.cosign/signature';
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
 * Signatures and attestations of an image in its registry: bundles that refer to it, and signatures under the tag `sha256-….sig`. Everything is compared with its
 * digest, from one host, and bounded. Redirects are not followed: they would take the credentials to another server.
 * @throws Failed
 */
export async function fetchAttestations(
  image: Image,
  access: RegistryAccess,
  context: Pick<CliContext, 'clock' | 'signal'>,
): Promise<readonly Content[]> {
  const registry = new Registry(image, access, context);
  try {
    return [...(await bundles(registry, image)), ...(await simpleSignings(registry, image))];
  } finally {
    registry.close();
  }
}

async function bundles(registry: Registry, image: Image): Promise<readonly Content[]> {
  const tag = image.digest.replace(':', '-');
  const listed =
    (await registry.get(`referrers/${image.digest}`)) ?? (await registry.get(`manifests/${tag}`));
  if (listed === undefined) return [];
  const { manifests } = registry.parse(index, listed);
  const found: Content[] = [];
  const candidates = manifests.filter(({ artifactType = BUNDLE }) => artifactType === BUNDLE);
  for (const each of candidates.slice(0, MOST_REFERRERS)) {
    const { subject, layers } = registry.parse(
      manifest,
      await registry.content('manifests', each.digest),
    );
    const [only, ...more] = layers;
    if (subject?.digest !== image.digest || only?.mediaType !== BUNDLE || more.length > 0) continue;
    const bundle = parseJson(await registry.content('blobs', only.digest));
    if (typeof bundle === 'object' && bundle !== null) found.push(bundle as Content);
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
    const payload = await registry.content('blobs', at);
    found.push({ payload: payload.toString('base64'), signature });
  }
  return found;
}

/** One repository of one registry (OCI distribution specification 1.1). */
class Registry {
  readonly #http: HttpClient;
  readonly #origin: URL;
  readonly #name: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #context: Pick<CliContext, 'clock' | 'signal'>;

  constructor(
    { repository }: Image,
    { ca, login }: RegistryAccess,
    context: Pick<CliContext, 'clock' | 'signal'>,
  ) {
    const slash = repository.indexOf('/');
    const host = repository.slice(0, slash);
    if (slash === -1 || !/[.:]|^localhost$/.test(host)) {
      throw new Failed(`the image must name its registry: HOST/${repository}`);
    }
    // Only the registry of a test on this machine speaks HTTP without TLS.
    const isLocal = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/.test(host);
    const isPlain = isLocal && ca === undefined;
    this.#http = new HttpClient({ tls: isPlain ? 'off' : { ...(ca !== undefined && { ca }) } });
    this.#origin = new URL(`${isPlain ? 'http' : 'https'}://${host}`);
    this.#name = repository.slice(slash + 1);
    this.#headers = {
      accept: ACCEPT,
      ...(login !== undefined && {
        authorization: `Basic ${Buffer.from(login).toString('base64')}`,
      }),
    };
    this.#context = context;
  }

  close(): void {
    this.#http.close();
  }

  /** Undefined if the registry does not have it. */
  async get(place: string): Promise<Buffer | undefined> {
    const { status, bytes } = await this.#fetch(place);
    if (status === 404) return undefined;
    if (status === 200) return bytes;
    const why =
      status >= 300 && status < 400
        ? 'redirects to another address; push the file instead: cosign download signature'
        : `answers with status ${status}`;
    const login = status === 401 ? '; give --registry-login' : '';
    throw new Failed(`the registry ${this.#origin.host} ${why} for ${this.#name}/${place}${login}`);
  }

  /** What has this digest. */
  async content(kind: 'manifests' | 'blobs', at: string): Promise<Buffer> {
    const bytes = await this.get(`${kind}/${at}`);
    if (bytes === undefined || `sha256:${sha256Hex(bytes)}` !== at) {
      throw new Failed(
        `the registry ${this.#origin.host} does not have ${at}, or sends other bytes`,
      );
    }
    return bytes;
  }

  parse<T>(schema: z.ZodType<T>, bytes: Buffer): T {
    try {
      return schema.parse(parseJson(bytes));
    } catch {
      throw new Failed(
        `the registry ${this.#origin.host} sends an index or manifest that is not valid`,
      );
    }
  }

  async #fetch(place: string): Promise<{ readonly status: number; readonly bytes: Buffer }> {
    const { clock, signal } = this.#context;
    const request = { method: 'GET', url: this.#origin, headers: this.#headers };
    const target = `/v2/${this.#name}/${place}`;
    try {
      return await withDeadline(clock, TIMEOUT_MS, async (deadline) => {
        const both = AbortSignal.any([signal, deadline]);
        const response = await this.#http.open({ ...request, target, signal: both });
        return { status: response.statusCode ?? 0, bytes: await readBody(response, MOST_BYTES) };
      });
    } catch (error) {
      signal.throwIfAborted();
      const { code, reason } = error as { readonly code?: string; readonly reason?: string };
      const why = reason ?? code ?? 'no complete response';
      throw new Failed(
        `the registry ${this.#origin.host} cannot be read: ${why}`,
        EXIT.unreachable,
      );
    }
  }
}
