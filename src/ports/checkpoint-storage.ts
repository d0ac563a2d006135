/** The last checkpoint, in a place outside the store that no copy of the store includes. It shows that a store was rolled back. */
export interface CheckpointStorage {
  /** Names it in the log and in messages: `/var/lib/quaymaster-keys/checkpoint`, `s3://bucket/prefix/checkpoint`. */
  readonly name: string;
  /** The note; undefined if there is none. @throws ERR_AUDIT_UNAVAILABLE if an object cannot be read */
  read(): Promise<string | undefined>;
  /**
   * Writes the note, unless another process has written one since this process last read or wrote. The note is durable when the call resolves; a reader
   * sees the old note or the new one, never a part. A file cannot know of other writers, and is always written.
   * @returns the note of the other process, which is still there and counts as read; undefined if this one was written
   */
  write(note: string): Promise<string | undefined>;
}
