import Database from 'better-sqlite3';
import type { StoredEntry } from './store-diff.ts';

/** The entries in the file of a closed store; those of one boot are in order. */
export function storedLog(path: string): readonly StoredEntry[] {
  const database = new Database(path, { readonly: true });
  try {
    const rows = database
      .prepare('SELECT "entries" FROM "audit_batches" ORDER BY "writer", "first_seq"')
      .all() as readonly { readonly entries: Buffer }[];
    return rows
      .flatMap(({ entries }) => entries.toString().trimEnd().split('\n'))
      .map((line) => JSON.parse(line) as StoredEntry);
  } finally {
    database.close();
  }
}

/** The result of the file's integrity check. */
export function integrityOf(path: string): unknown {
  const database = new Database(path, { readonly: true });
  try {
    return database.pragma('integrity_check', { simple: true });
  } finally {
    database.close();
  }
}
