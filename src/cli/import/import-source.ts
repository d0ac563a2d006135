import type { SecretData } from '../verbs/secret-values.ts';

/** A path in the source's own terms. */
export interface ListedPath {
  readonly path: string;
  /** A word why it cannot be asked for, where that is so. */
  readonly unreadable?: string;
}

/** Another system's secrets. */
export interface ImportSource {
  /** What it is called in messages. */
  readonly label: string;
  /** Everything that is to be imported. */
  list(): AsyncIterable<ListedPath>;
  /** The current value; undefined where there is none any more. Goes to the broker and nowhere else. @throws SourceError for this one alone; what else it throws ends the import */
  read(path: string): Promise<SecretData | undefined>;
  close(): void;
}

/** One secret could not be read at its source; the message is a word of ours. */
export class SourceError extends Error {}
