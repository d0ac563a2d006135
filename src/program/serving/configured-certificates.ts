import { readFile, stat } from 'node:fs/promises';
import { readCertificate } from '../../crypto/certificates/certificate-facts.ts';
import type { CertificateStatus } from '../../ports/broker-status.ts';
import type { Clock } from '../../ports/clock.ts';
import { RepeatedWork } from '../../ports/repeated-work.ts';
import type { Config } from '../config/schema.ts';

/** The interval at which listeners read their certificates again. */
const EVERY_MS = 60_000;
const MOST = 100;
/** A longer file is skipped. */
const MOST_BYTES = 1024 * 1024;
/** A certificate should be renewed before the last fifth of its life, and a long one before its last two weeks. */
const LAST_PART = 0.2;
const LAST_MS = 14 * 86_400_000;

const PRESENTED = /\.certificateFile$/;
const NAMES_CERTIFICATES = /\.(?:certificateFile|caFile|clientCaFile|bundleFile)$/;
const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

interface Life {
  readonly notBefore: number;
  readonly notAfter: number;
}

interface NamedFile {
  readonly setting: string;
  readonly path: string;
}

/**
 * Knows when the certificates expire that the configuration names: certificates of listeners and clients, and authorities that the broker trusts. It
 * reads their files every minute. It skips a file that it cannot read: the part that uses the file reports that.
 */
export class ConfiguredCertificates {
  readonly #clock: Clock;
  readonly #work: RepeatedWork;
  #files: readonly NamedFile[];
  #found: readonly (Life & Pick<NamedFile, 'setting'>)[] = [];

  constructor(config: Config, clock: Clock) {
    this.#clock = clock;
    this.#files = namedFiles(config, '');
    this.#work = new RepeatedWork({
      clock,
      run: async () => {
        this.#found = await readLives(this.#files);
        return EVERY_MS;
      },
      onError: () => EVERY_MS,
    });
  }

  start(): void {
    void this.#work.runNow();
  }

  stop(): Promise<void> {
    return this.#work.stop();
  }

  /** Follows the files of another configuration from now on. */
  use(config: Config): void {
    this.#files = namedFiles(config, '');
    void this.#work.runNow();
  }

  /** The certificates that expire first. */
  list(): readonly CertificateStatus[] {
    const now = this.#clock.now();
    return this.#found.map(({ setting, ...life }) => ({
      setting,
      expiresAt: life.notAfter,
      state: stateAt(now, life),
    }));
  }
}

function stateAt(now: number, { notBefore, notAfter }: Life): CertificateStatus['state'] {
  if (now >= notAfter) return 'expired';
  const last = Math.min(LAST_MS, LAST_PART * (notAfter - notBefore));
  return now >= notAfter - last ? 'expiring' : 'valid';
}

function namedFiles(value: unknown, setting: string): readonly NamedFile[] {
  if (typeof value === 'string')
    return NAMES_CERTIFICATES.test(setting) ? [{ setting, path: value }] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) =>
    namedFiles(member, setting === '' ? key : `${setting}.${key}`),
  );
}

async function readLives(
  files: readonly NamedFile[],
): Promise<readonly (Life & Pick<NamedFile, 'setting'>)[]> {
  const lives = await Promise.all(
    files.map(async ({ setting, path }) => {
      const life = lifeOf(setting, await textOf(path).catch(() => ''));
      return life === undefined ? [] : [{ setting, ...life }];
    }),
  );
  return lives
    .flat()
    .sort((a, b) => a.notAfter - b.notAfter)
    .slice(0, MOST);
}

async function textOf(path: string): Promise<string> {
  const { size } = await stat(path);
  return size > MOST_BYTES ? '' : readFile(path, 'utf8');
}

/** A server presents the first certificate of its file. Of several authorities, one that expires may already have its successor beside it. */
function lifeOf(setting: string, text: string): Life | undefined {
  const all = (text.match(PEM) ?? []).flatMap((pem) => readCertificate(pem) ?? []);
  const [first] = PRESENTED.test(setting) ? all : all.toSorted((a, b) => b.notAfter - a.notAfter);
  return first && { notBefore: first.notBefore, notAfter: first.notAfter };
}
