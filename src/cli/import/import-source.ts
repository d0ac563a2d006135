import type { SecretData } from '../verbs/secret-values.ts';

/** Another system's secrets. */
export interface ImportSource {
  /** What it is called in messages. */
  readonly label: string;
  /** Every path that is to be imported, in the source's own terms. */
  list(): AsyncIterable<string>;
  /** The current value; undefined where there is none any more. Goes to the broker and nowhere else. */
  read(path: string): Promise<SecretData | undefined>;
  close(): void;
}
