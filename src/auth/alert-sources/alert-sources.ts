import { constantTimeEqual, sha256 } from '../../crypto/hashes/digest.ts';
import { certificateNames } from '../../crypto/certificates/certificate-facts.ts';
import { importWebhookKey, isSignedAlert } from '../../crypto/signatures/webhook-signature.ts';
import { BrokerError } from '../../domain/errors.ts';
import { WatchedFile } from '../../net/watched-file.ts';
import type { AlertSource, AlertSources, PresentedSource } from '../../ports/alert-sources.ts';
import type { Clock } from '../../ports/clock.ts';
import type { AlertsConfig, AlertSourceConfig } from './config.ts';

const LEAST_SECRET = 16;
const BEARER = /^Bearer +([!-~]{1,1024})$/i;

/** Reports whether a line of the secret file of a source can authenticate anything: shorter ones are not read. */
export function isUsableSecret(way: 'bearer' | 'hmac', line: string): boolean {
  const text = line.trim();
  return way === 'bearer' ? text.length >= LEAST_SECRET : importWebhookKey(text) !== undefined;
}

/** The sources of the configuration. A reload replaces them. */
export class ConfiguredAlertSources implements AlertSources {
  readonly #clock: Clock;
  #sources: ReadonlyMap<string, AlertSource> = new Map();
  #config: AlertsConfig;

  constructor(config: AlertsConfig, clock: Clock) {
    this.#clock = clock;
    this.#config = config;
    this.use(config);
  }

  use(config: AlertsConfig): void {
    this.#config = config;
    this.#sources = new Map(
      Object.entries(config.sources).map(([name, source]) => [
        name,
        new ConfiguredSource(name, source, this.#clock),
      ]),
    );
  }

  find(name: string): AlertSource | undefined {
    return this.#sources.get(name);
  }

  get names(): readonly string[] {
    return [...this.#sources.keys()];
  }

  get protectedSubjects(): readonly string[] {
    return this.#config.protectedSubjects;
  }

  get podLabel(): string | undefined {
    return this.#config.podLabel;
  }

  get maxRotations(): number {
    return this.#config.maxRotations;
  }
}

class ConfiguredSource implements AlertSource {
  readonly name: string;
  readonly format: AlertSource['format'];
  readonly clusters: readonly string[];
  readonly maxResponses: number;
  readonly maxWorkloadPercent: number;
  readonly #cluster: string | undefined;
  readonly #byName: ReadonlyMap<string, string>;
  readonly #authenticate: AlertSourceConfig['authenticate'];
  readonly #clock: Clock;
  readonly #file: WatchedFile | undefined;

  constructor(name: string, config: AlertSourceConfig, clock: Clock) {
    const { format, cluster, clusters = {}, authenticate } = config;
    const { maxResponses, maxWorkloadPercent } = config;
    this.name = name;
    this.format = format;
    this.#cluster = cluster;
    this.#byName = new Map(Object.entries(clusters));
    const all = [...(cluster === undefined ? [] : [cluster]), ...this.#byName.values()];
    this.clusters = [...new Set(all)];
    this.maxResponses = maxResponses;
    this.maxWorkloadPercent = maxWorkloadPercent;
    this.#authenticate = authenticate;
    this.#clock = clock;
    const secret =
      'bearer' in authenticate
        ? authenticate.bearer
        : 'hmac' in authenticate
          ? authenticate.hmac
          : undefined;
    this.#file = secret && new WatchedFile(secret.secretFile);
  }

  clusterOf(named: string | undefined): string | undefined {
    if (named === undefined) return this.#cluster;
    return this.#byName.get(named) ?? (named === this.#cluster ? named : undefined);
  }

  async admit({ authorization = '', signature, chain }: PresentedSource): Promise<boolean> {
    if ('certificate' in this.#authenticate) {
      const [leaf] = chain() ?? [];
      const names = leaf === undefined ? [] : certificateNames(leaf);
      const { names: allowed } = this.#authenticate.certificate;
      if (names.some((name) => allowed.includes(name))) return true;
      throw refused(leaf === undefined ? 'certificate_missing' : 'certificate_name');
    }
    if ('hmac' in this.#authenticate) {
      if (signature === undefined) throw refused('signature_missing');
      return false;
    }
    const [, shown] = BEARER.exec(authorization) ?? [];
    if (shown === undefined) throw refused('bearer_missing');
    const lines = (await this.#lines()).filter((line) => isUsableSecret('bearer', line));
    // Digests have one length, so that the time of a comparison says nothing about the secret.
    const digest = sha256(shown);
    if (lines.filter((line) => constantTimeEqual(sha256(line), digest)).length > 0) return true;
    throw refused('bearer_unknown');
  }

  async verify({ signature = '' }: PresentedSource, body: Uint8Array): Promise<void> {
    if (!('hmac' in this.#authenticate)) return;
    const now = Math.floor(this.#clock.now() / 1000);
    const isSigned = (await this.#lines()).some((line) => {
      const key = importWebhookKey(line);
      return key !== undefined && isSignedAlert(key, signature, { body, now });
    });
    if (!isSigned) throw refused('signature');
  }

  async #lines(): Promise<readonly string[]> {
    const text = await this.#file?.text().catch((cause: unknown) => {
      throw refused('secret_unreadable', cause);
    });
    return (text ?? '').split('\n').map((line) => line.trim());
  }
}

/** Refuses in the same way for an unknown source, so that a sender without the secret learns no names. */
function refused(reason: string, cause?: unknown): BrokerError {
  return new BrokerError('ERR_UNAUTHENTICATED', undefined, { reason, cause });
}
