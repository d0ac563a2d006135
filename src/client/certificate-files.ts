import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { systemClock } from '../process/clock.ts';
import { readCertificate } from '../crypto/certificates/certificate-facts.ts';
import type { Clock } from '../ports/clock.ts';

/** The certificate of a client, with its intermediates, and its private key: PEM. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFilesOptions {
  readonly certFile: string;
  readonly keyFile: string;
  /** Gets each problem once: a key that other users can read, an expired certificate, new files that cannot be used. */
  readonly onProblem?: (problem: string) => void;
  readonly clock?: Clock;
}

/** A client certificate cannot be used. The message names the file and the reason. */
export class UnusableCertificate extends Error {
  override readonly name = 'UnusableCertificate';
}

interface Pair extends ClientCertificate {
  /** Permission bits of the key file. */
  readonly keyMode: number;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

const MOST_BYTES = 1024 * 1024;
const OTHERS = 0o077;
const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  EACCES: 'is not readable by this user',
};

/**
 * A client certificate in two files, which are read at each use, because short-lived certificates are replaced while a program runs. If the new files cannot
 * be used, for example because only one of them has been replaced yet, the pair before them stays in use.
 *
 *     const files = new CertificateFiles({ certFile: 'svid.pem', keyFile: 'svid.key' });
 *     const client = new BrokerClient({ url, clientCertificate: () => files.current() });
 */
export class CertificateFiles {
  readonly #options: CertificateFilesOptions;
  readonly #clock: Clock;
  #inUse: Pair | undefined;
  readonly #reported = new Set<string>();

  constructor(options: CertificateFilesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** @throws UnusableCertificate if the files cannot be used and never could */
  current(): ClientCertificate {
    const { certFile, keyFile } = this.#options;
    const pair = this.#read();
    const { cert, key, keyMode, notAfter } = pair;
    if ((keyMode & OTHERS) !== 0) {
      const mode = keyMode.toString(8);
      this.#report(`${keyFile} is open to other users (mode 0${mode}); run: chmod 600 ${keyFile}`);
    }
    if (this.#clock.now() >= notAfter) {
      const at = new Date(notAfter).toISOString();
      this.#report(`the client certificate ${certFile} expired at ${at}`);
    }
    return { cert, key };
  }

  #read(): Pair {
    const { certFile, keyFile } = this.#options;
    const former = this.#inUse;
    try {
      const { text: cert } = readPem(certFile);
      const { text: key, mode: keyMode } = readPem(keyFile);
      if (cert === former?.cert && key === former.key) return former;
      const facts = readCertificate(cert);
      if (facts === undefined) throw new UnusableCertificate(`${certFile} has no certificate`);
      if (!facts.belongsTo(key)) {
        throw new UnusableCertificate(`${keyFile} has no private key of ${certFile}`);
      }
      this.#reported.clear();
      this.#inUse = { cert, key, keyMode, notAfter: facts.notAfter };
      return this.#inUse;
    } catch (error) {
      if (!(error instanceof UnusableCertificate) || former === undefined) throw error;
      this.#report(`${error.message}; the client certificate before it stays in use`);
      return former;
    }
  }

  #report(problem: string): void {
    if (this.#reported.has(problem)) return;
    this.#reported.add(problem);
    this.#options.onProblem?.(problem);
  }
}

/**
 * Reads a file without `node:fs/promises`, which costs the agent 4 ms of its start. O_NONBLOCK: a pipe without a writer would
 * block for ever. @throws UnusableCertificate
 */
function readPem(path: string): { readonly text: string; readonly mode: number } {
  let file: number | undefined;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = fstatSync(file);
    if (!found.isFile()) throw new UnusableCertificate(`${path} is not a regular file`);
    if (found.size > MOST_BYTES) throw new UnusableCertificate(`${path} is longer than 1 MiB`);
    return { text: readFileSync(file, 'utf8'), mode: found.mode & 0o777 };
  } catch (error) {
    if (error instanceof UnusableCertificate) throw error;
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    const reason = REASONS[code] ?? `cannot be read (${code})`;
    throw new UnusableCertificate(`${path} ${reason}`, { cause: error });
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
