import Database from 'better-sqlite3';
import type { StoredEntry } from './store-diff.ts';

/** The entries in the file of a store that nobody has open; those of one boot are in their order. */
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

/** What the file itself says of its condition. */
export function integrityOf(path: string): unknown {
  const database = new Database(path, { readonly: true });
  try {
    return database.pragma('integrity_check', { simple: true });
  } finally {
    database.close();
  }
}
