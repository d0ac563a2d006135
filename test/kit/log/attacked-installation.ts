import Database from 'better-sqlite3';
import { cpSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/process/clock.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { openBroker, type RunningBroker } from '../../../src/program/broker/broker.ts';
import { serve, type Serving } from '../../../src/program/serving/serve.ts';
import { initialise } from '../../../src/program/installation/initialise.ts';
import { checkConfig } from '../../../src/program/config/load.ts';
import type { Config } from '../../../src/program/config/schema.ts';
import { writeNewInstallation } from '../store/new-store.ts';

export type Row = Record<string, unknown>;

/** Tables of the audit log, and the claim of the process that appends to it. */
const LOG_TABLES = [
  'audit_batches',
  'log_segments',
  'log_tiles',
  'log_terms',
  'log_checkpoints',
  'claims',
] as const;

function isBallast(path: string): boolean {
  return path.endsWith('.ballast');
}

/** A real installation in its own directory. The test can change its files as an attacker, while it is stopped or running. */
export class AttackedInstallation {
  readonly directory: string;
  readonly config: Config;
  readonly logged: unknown[] = [];
  #tokens = 0;

  clock: Clock = systemClock;
  trustClock = false;
  /** The folder of the migrations; undefined for those of the program. */
  migrations: string | undefined;

  private constructor(directory: string, more: object) {
    this.directory = directory;
    this.config = checkConfig(
      {
        mode: 'development',
        listener: { port: 0 },
        store: { type: 'sqlite', path: join(directory, 'store', 'quaymaster.db') },
        kek: { type: 'local-file', path: join(directory, 'keys', 'kek') },
        ...more,
        audit: {
          origin: 'quaymaster.test/attacked',
          logKeyFile: join(directory, 'keys', 'log.pem'),
          checkpointFile: join(directory, 'keys', 'checkpoint'),
          ...(more as { audit?: object }).audit,
        },
      },
      'test',
    );
  }

  static async make(
    more: (directory: string) => object = () => ({}),
  ): Promise<AttackedInstallation> {
    const directory = await mkdtemp(join(tmpdir(), 'qm-attacked-'));
    return new AttackedInstallation(directory, more(directory));
  }

  at(name: string): string {
    return join(this.directory, name);
  }

  /** Runs `quaymaster init`. @returns the token that it minted. */
  async init(tokenTtlSeconds = 3600): Promise<string> {
    if (!existsSync(this.at('store'))) await writeNewInstallation(this.config);
    const tokenFile = this.at(`token-${this.#tokens++}`);
    await initialise(this.config, { tokenFile, tokenTtlSeconds }, this.#deps());
    return (await readFile(tokenFile, 'utf8')).trim();
  }

  open(): Promise<RunningBroker> {
    return openBroker(this.config, this.#deps());
  }

  serve(): Promise<Serving> {
    return serve(this.config, this.#deps());
  }

  /** Starts and stops it. @returns why it is not ready; empty if it serves. */
  async unreadyAtStart(): Promise<readonly string[]> {
    const broker = await this.open();
    const unready = broker.unready();
    await broker.close('test');
    return unready;
  }

  /** Changes the store's file without the broker. */
  sql(work: (database: Database.Database) => void): void {
    const { store } = this.config;
    if (store.type !== 'sqlite') throw new Error('not a file');
    const database = new Database(store.path);
    try {
      work(database);
    } finally {
      database.close();
    }
  }

  rows(table: string): readonly Row[] {
    let found: Row[] = [];
    this.sql((database) => {
      found = database.prepare(`SELECT * FROM "${table}"`).all() as Row[];
    });
    return found;
  }

  /** Inserts or replaces a row without the broker. */
  putRow(table: string, row: object): void {
    const names = Object.keys(row);
    const columns = names.map((name) => `"${name}"`).join(', ');
    const places = names.map(() => '?').join(', ');
    this.sql((database) => {
      const sql = `INSERT OR REPLACE INTO "${table}" (${columns}) VALUES (${places})`;
      database.prepare(sql).run(...Object.values(row));
    });
  }

  /** The rows that stopped the store, from the broker's log since the last call. */
  heldRows(): readonly string[] {
    return this.logged.splice(0).flatMap((line) => {
      const { what } = (line as { fields: { what?: string } }).fields;
      return what === undefined ? [] : [what];
    });
  }

  emptyLogTables(): void {
    this.sql((database) => {
      for (const table of LOG_TABLES) database.exec(`DELETE FROM "${table}"`);
    });
  }

  removeCheckpointFile(): Promise<void> {
    return rm(this.at('keys/checkpoint'));
  }

  /** Copies the files of the store without its ballast: 8 MB take as long as the start of a broker. */
  copyStore(name: string): void {
    cpSync(this.at('store'), this.at(name), {
      recursive: true,
      filter: (path) => !isBallast(path),
    });
  }

  restoreStore(name: string): void {
    const files = readdirSync(this.at('store'));
    for (const file of files) if (!isBallast(file)) rmSync(join(this.at('store'), file));
    cpSync(this.at(name), this.at('store'), { recursive: true });
  }

  remove(): Promise<void> {
    return rm(this.directory, { recursive: true });
  }

  #deps(): Parameters<typeof openBroker>[1] {
    const take = (fields: unknown, message: string): void =>
      void this.logged.push({ fields, message });
    const { clock, trustClock, migrations } = this;
    return { clock, trustClock, migrations, log: { info: take, warn: take, error: take } };
  }
}
