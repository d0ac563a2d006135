import type { ArchiveObject, LogTruncation } from '../../ports/audit-log.ts';
import type { Store } from '../../ports/store.ts';
import type { BatchHead } from '../records/export-format.ts';
import type { LogIdentity } from '../records/log-identity.ts';
import { LogReader } from '../log/log-reader.ts';

/** The source of an export: the store itself, or a running broker. */
export interface ExportSource {
  /** The last checkpoint's note; undefined while the log is empty. */
  checkpoint(): Promise<string | undefined>;
  /** The note of the newest checkpoint that enough witnesses cosigned; undefined if there is none. */
  witnessed(): Promise<string | undefined>;
  /** The log's verifier key (C2SP signed note). */
  logKey(): Promise<string>;
  /** A file by its C2SP tlog-tiles path. */
  file(path: string): Promise<Uint8Array | undefined>;
  /** Heads of all commits that have live entries below `size`, in order. */
  heads(size: number): AsyncIterable<BatchHead>;
  /** Undefined if no part of the log is archived. */
  truncation(): Promise<LogTruncation | undefined>;
  /** All objects of the archive, in the order of the log. */
  archiveObjects(): AsyncIterable<ArchiveObject>;
}

/** Reads the store of a stopped broker, or a shared store. */
export function storeSource(store: Store, log: LogIdentity): ExportSource {
  const reader = new LogReader(store, log);
  return {
    checkpoint: async () => (await reader.checkpoint())?.note,
    witnessed: async () => (await reader.witnessed())?.note,
    logKey: () => reader.logKey(),
    file: (path) => reader.file(path),
    heads: (size) => reader.allHeads(0, size),
    truncation: () => reader.truncation(),
    archiveObjects: () => reader.archiveObjects(0),
  };
}
