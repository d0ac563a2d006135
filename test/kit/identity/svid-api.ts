import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CertificateAuthority,
  type Certificate,
  type CertificateRequest,
} from '../network/certificates.ts';
import { jsonOverTls, type Answer, type Asked } from '../network/json-over-tls.ts';
import { RunningApi } from '../api/running-api.ts';

const HOST = '127.0.0.1';
export const SHOP = 'spiffe://example.org/ns/prod/shop';
export const DIGITAL_SIGNATURE = 0x80;

export interface SvidAsked extends Asked {
  readonly own?: Certificate;
}

/** A broker with a TLS listener that asks for certificates, and the cluster `mesh` of the trust domain example.org, in which the shop may read `app/**`. */
export class SvidApi {
  readonly server = new CertificateAuthority('server');
  readonly domain = new CertificateAuthority('example.org');
  readonly other = new CertificateAuthority('other.org');
  readonly directory: string;
  #api: RunningApi | undefined;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async start(listener: Readonly<Record<string, unknown>> = {}): Promise<SvidApi> {
    const made = new SvidApi(await mkdtemp(join(tmpdir(), 'quaymaster-svid-')));
    try {
      await made.#start(listener);
      return made;
    } catch (error) {
      await made.stop();
      throw error;
    }
  }

  get api(): RunningApi {
    if (this.#api === undefined) throw new Error('the API does not run');
    return this.#api;
  }

  get url(): string {
    return `https://${HOST}:${this.api.port}`;
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  async stop(): Promise<void> {
    await this.#api?.stop();
    await rm(this.directory, { recursive: true });
  }

  /** A correct SVID of the shop, changed. */
  svid(change: Partial<CertificateRequest> = {}): Certificate {
    const base = { commonName: 'shop', uris: [SHOP], keyUsage: DIGITAL_SIGNATURE };
    return this.domain.issue({ ...base, ...change });
  }

  async put(path: string, body: object): Promise<void> {
    const headers = { 'if-none-match': '*' };
    // Also for a listener that requires a certificate.
    const own = this.svid();
    const asked = { token: this.api.admin, body, headers, own };
    const answer = await this.call('PUT', `/${path}`, asked);
    if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer)}`);
  }

  async call(method: string, path: string, asked: SvidAsked = {}): Promise<Answer> {
    const { own, ...rest } = asked;
    const agent = new Agent({ ca: this.server.cert, ...own });
    return jsonOverTls(agent, [method, `${this.url}/api/v1${path}`], rest);
  }

  async #start({ tls, ...listener }: Readonly<Record<string, unknown>>): Promise<void> {
    const { cert, key } = this.server.issue({ commonName: 'broker', ipAddresses: [HOST] });
    const files = {
      'cert.pem': cert,
      'key.pem': key,
      'ca.pem': this.server.cert,
      'bundle.pem': this.domain.cert,
      // The listener verifies certificates of both trust domains; each cluster trusts one.
      'clients.pem': `${this.domain.cert}${this.other.cert}`,
    };
    for (const [name, content] of Object.entries(files)) {
      await writeFile(this.file(name), content);
    }
    this.#api = await RunningApi.start({
      listener: {
        ...listener,
        tls: {
          certificateFile: this.file('cert.pem'),
          keyFile: this.file('key.pem'),
          clientCaFile: this.file('clients.pem'),
          clientAuth: 'optional',
          ...(tls as object | undefined),
        },
      },
      connections: {
        spire: { type: 'spiffe', trustDomain: 'example.org', bundleFile: this.file('bundle.pem') },
      },
    });
    const issuer = 'spiffe://example.org';
    await this.put('clusters/mesh', { type: 'spiffe', connection: 'spire', issuer });
    await this.put('mounts/app', { prefix: 'app', connection: 'embedded' });
    await this.put('policies/shop', {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'AccessPolicy',
      metadata: { name: 'shop' },
      spec: {
        subjects: [{ clusters: ['mesh'], identities: ['ns/prod/shop'] }],
        rules: [{ name: 'read', effect: 'allow', paths: ['app/**'], capabilities: ['read'] }],
      },
    });
    await this.put('secrets/app/db', { data: { password: 's3cret' } });
  }
}
