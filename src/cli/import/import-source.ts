import { UsageError } from '../kernel/errors.ts';
import type { SecretData } from '../input/secret-values.ts';

/** A path by its name at the source. */
export interface ListedPath {
  readonly path: string;
  /** Code word that names why it cannot be requested. */
  readonly unreadable?: string;
}

/** A current value, and the texts that the source keeps beside it. */
export interface SourceSecret {
  readonly data: SecretData;
  readonly customMetadata?: Readonly<Record<string, string>>;
}

/** The secrets of another system. */
export interface ImportSource {
  /** Name of the source in messages. */
  readonly label: string;
  /** Lists every secret to import. */
  list(): AsyncIterable<ListedPath>;
  /** The current value, which goes only to the broker; undefined if it was deleted. @throws SourceError if only this secret fails; any other error stops the import */
  read(path: string): Promise<SourceSecret | undefined>;
  close(): void;
}

/** One secret could not be read at its source; the message is a code word of ours. */
export class SourceError extends Error {}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** @throws UsageError for a URL that is not valid, or that would send credentials and secrets unencrypted to another machine */
export function checkSourceAddress(option: string, address: string, what: string): void {
  const url = URL.parse(address);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new UsageError(`${option} must be https://HOST:PORT of ${what}`);
  }
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    throw new UsageError(
      `${option}: http:// would send the token and the secrets unencrypted; use https://`,
    );
  }
}
