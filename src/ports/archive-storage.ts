/** The storage for archived parts of the audit log: a directory, or a bucket of S3-compatible storage. */
export interface ArchiveStorage {
  /** Names it in the log and in messages: `/var/lib/quaymaster/archive`, `s3://bucket/prefix`. */
  readonly name: string;
  /**
   * Stores an object. The object is durable when the call resolves; a reader never sees a part of it. An object of this name is replaced: the name
   * contains a hash of the content. @throws ERR_PROVIDER_UNAVAILABLE with the reason
   */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** Undefined if there is no such object. @throws ERR_PROVIDER_UNAVAILABLE; ERR_CIPHERTEXT_INVALID if it is longer than `maxBytes` */
  get(name: string, maxBytes: number): Promise<Uint8Array | undefined>;
}
