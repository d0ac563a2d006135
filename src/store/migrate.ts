import { fileURLToPath } from 'node:url';
import { BrokerError } from '../domain/errors.ts';
import { errorField } from './sql/error-field.ts';

/** The folder of the migrations of both databases in this program, with a trailing slash. */
export const MIGRATIONS = fileURLToPath(new URL('../../migrations/', import.meta.url));
const SCHEMA_TABLE = 'quaymaster_schema';

/** A connection for the migration runner. Its statements run one after the other in the caller's transaction. */
export interface MigrationTarget {
  readonly driver: 'sqlite3' | 'pg';
  /** The folder of its migrations, with a trailing slash. */
  readonly folder: string;
  /** Selects a row if the table `meta` exists. */
  readonly findMeta: string;
  readonly query: (sql: string) => Promise<{ rows: unknown[] }>;
  readonly script: (sql: string) => Promise<void>;
  /** Keeps other processes out of the store until the transaction ends. Absent if only one process can open the store. */
  readonly lock?: () => Promise<void>;
}

/** The schema of a store before and after a migration: the numbers of the last migrations that it has run. */
export interface SchemaChange {
  readonly from: number;
  readonly to: number;
}

/**
 * Runs the missing migrations; the caller's transaction makes it all or nothing. It loads the runner here, because nothing needs the runner
 * afterwards.
 * @throws ERR_CONFIG_INVALID if the tables are newer than this program, or if a migration that ran differs from the one in this program.
 */
export async function migrate(target: MigrationTarget): Promise<SchemaChange> {
  const { default: Postgrator } = await import('postgrator');
  const runner = new Postgrator({
    migrationPattern: `${target.folder}*.do.*.sql`,
    driver: target.driver,
    schemaTable: SCHEMA_TABLE,
    newline: 'LF',
    execQuery: target.query,
    execSqlScript: target.script,
  });
  const [present, known] = [await runner.getDatabaseVersion(), await runner.getMaxVersion()];
  await runner.validateMigrations(present).catch((cause: unknown) => {
    throw asRefusal(cause);
  });
  if (present > known) {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `the store has schema ${present}, this program knows up to ${known}: run a newer program`,
    );
  }
  await runner.migrate();
  return { from: present, to: known };
}

function asRefusal(cause: unknown): unknown {
  if (!errorField(cause, 'message').startsWith('MD5 checksum failed')) return cause;
  return new BrokerError(
    'ERR_CONFIG_INVALID',
    'another build wrote the store: a migration that it has run differs from the one in this program. Nothing was changed. Export what you need with the build that wrote it, then remove the store and run "quaymaster init"',
    { cause },
  );
}
