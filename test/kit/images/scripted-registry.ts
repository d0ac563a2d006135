import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach } from '@jest/globals';
import { fetchAttestations } from '../../../src/cli/input/oci-registry.ts';
import { HandClock } from '../time/hand-clock.ts';
import { ImageSigner } from './image-signer.ts';

export const DIGEST = `sha256:${'a'.repeat(64)}`;
export const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
export const signer = new ImageSigner();

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** A registry that answers as a test scripts it, and records the requests. */
export class ScriptedRegistry {
  readonly #server: Server;
  readonly #contents = new Map<string, string | Buffer | Answer>();
  readonly requests: { readonly url: string; readonly authorization: string | undefined }[] = [];
  /** Runs before the contents; true if it answered. */
  guard: (request: IncomingMessage, response: ServerResponse) => boolean = () => false;

  private constructor() {
    this.#server = createServer((request, response) => {
      const { url = '' } = request;
      this.requests.push({ url, authorization: request.headers.authorization });
      if (this.guard(request, response)) return;
      const content = this.#contents.get(url.replace('/v2/prod/web/', ''));
      if (typeof content === 'function') content(request, response);
      else response.writeHead(content === undefined ? 404 : 200).end(content);
    });
  }

  static async start(): Promise<ScriptedRegistry> {
    const registry = new ScriptedRegistry();
    const { promise, resolve } = Promise.withResolvers<undefined>();
    registry.#server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    started.push(registry);
    return registry;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  has(place: string, content: string | Buffer | object | Answer): void {
    const isRaw = typeof content !== 'object' || Buffer.isBuffer(content);
    this.#contents.set(place, isRaw ? content : JSON.stringify(content));
  }

  /** Stores a content under its digest. */
  stores(kind: 'blobs' | 'manifests', content: object | Buffer): string {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    this.has(`${kind}/${digest}`, bytes);
    return digest;
  }

  /** A referrer with a bundle over the image. @returns the digests of manifest and blob */
  refers(bundle: object = signer.bundle(DIGEST)): {
    readonly manifest: string;
    readonly blob: string;
  } {
    const blob = this.stores('blobs', bundle);
    const layers = [{ digest: blob, mediaType: BUNDLE }];
    return { blob, manifest: this.stores('manifests', { subject: { digest: DIGEST }, layers }) };
  }

  lists(...manifests: readonly string[]): void {
    const items = manifests.map((digest) => ({ digest, artifactType: BUNDLE }));
    this.has(`referrers/${DIGEST}`, { manifests: items });
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

const started: ScriptedRegistry[] = [];
afterEach(() => {
  for (const registry of started.splice(0)) registry.close();
});

interface Options {
  readonly login?: string;
  readonly hosts?: readonly string[];
}

/** Fetches attestations as `attestation push --from-registry` does. */
export function fetched(
  registry: ScriptedRegistry,
  access: Options = {},
  clock = new HandClock(Date.now()),
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const image = { repository: `${registry.host}/prod/web`, digest: DIGEST };
  return fetchAttestations(image, access, { clock, signal: new AbortController().signal });
}
