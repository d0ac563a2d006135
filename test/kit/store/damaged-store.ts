import Database from 'better-sqlite3';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportLog } from '../../../src/audit/proof/export.ts';
import { storeSource } from '../../../src/audit/proof/export-source.ts';
import { verifyExport } from '../../../src/audit/proof/verify.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { logIdentity } from '../../../src/audit/records/log-identity.ts';
import { beginLog } from '../../../src/program/log/audit-trail.ts';
import { loadConfig } from '../../../src/program/config/load.ts';
import type { Config } from '../../../src/program/config/schema.ts';
import { serve, type Serving } from '../../../src/program/serving/serve.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import { DIGESTED } from '../../../src/store/guard/guarded-tables.ts';
import { openStore } from '../../../src/store/index.ts';
import { until } from '../backends/until.ts';
import { fastClock } from '../time/fast-clock.ts';
import { Load } from '../broker/broker-load.ts';
import { PreparedBroker } from '../broker/prepared-broker.ts';

const SECRETS = 8;
const SESSIONS = 3;
const SPEED = 20;
const PAGE_BYTES = 4096;
/** Larger than the files that are checked as a whole at start. */
const PADDING_BYTES = 65 * 1024 * 1024;
/** The broker builds these rows again from the entries. */
const DERIVED = [
  'log_segments',
  'log_tiles',
  'log_terms',
  'log_reads',
  'log_checkpoints',
  'claims',
];

/** Tables that the broker checks as a whole: by their digests, or as entries of the log. Rows of other tables are checked when a request uses them. */
const CHECKED: readonly string[] = [...DIGESTED, 'audit_batches'];

/**
 * Sign by which the damage showed, from the earliest time on. The last four are defects. `unused`: no request used the row, so
 * nothing of it was served.
 */
export type Finding =
  | 'refused'
  | 'held'
  | 'failed'
  | 'warned'
  | 'harmless'
  | 'rebuilt'
  | 'unused'
  | 'verify only'
  | 'absent'
  | 'wrong'
  | 'unseen';

export interface Trial {
  readonly finding: Finding;
  readonly detail: string;
}

interface Kind {
  /** Larger than the files that are checked as a whole at start. */
  readonly isLarge: boolean;
  /** Killed, so that its write-ahead log has the newest pages; otherwise the database file has all of them. */
  readonly isKilled: boolean;
}

/** The store of a broker, to be damaged and served again and again. */
export class DamagedStore {
  readonly #broker: PreparedBroker;
  readonly #values = new Map<string, string>();
  readonly #sessions: string[] = [];
  #config!: Config;
  #good!: string;
  #dump!: Readonly<Record<string, string>>;
  #used: readonly number[] = [];

  private constructor(broker: PreparedBroker) {
    this.#broker = broker;
  }

  static async make(kind: Kind): Promise<DamagedStore> {
    const damaged = new DamagedStore(await PreparedBroker.start());
    await damaged.#fill(kind);
    return damaged;
  }

  async #fill({ isLarge, isKilled }: Kind): Promise<void> {
    const { installation } = this.#broker;
    for (let n = 0; n < SECRETS; n += 1) {
      this.#values.set(`own/s${n}`, `value-${n}`);
      await this.#broker.write(`own/s${n}`, { value: `value-${n}` });
    }
    const load = new Load(this.#broker);
    await load.prepare();
    await load.killUnder(0);
    if (isLarge) {
      await installation.stop();
      this.#pad();
      await installation.start();
    }
    for (let n = 0; n < SESSIONS; n += 1) {
      const token = await this.#broker.logInEarly({ pod: `pod-${n}` });
      for (const path of this.#values.keys()) await this.#broker.read(token, path);
      this.#sessions.push(token);
    }
    await installation.stop(isKilled ? 'SIGKILL' : 'SIGTERM');
    this.#config = await loadConfig(installation.file('config.yaml'));
    this.#good = installation.file('good');
    for (const folder of ['store', 'keys'])
      await cp(installation.file(folder), join(this.#good, folder), { recursive: true });
    this.#dump = await this.#dumpOf();
    this.#used = (await this.#onCopy((database) =>
      database.prepare('SELECT "pageno" FROM dbstat').pluck().all(),
    )) as number[];
  }

  /** Adds free pages, which no check reads. */
  #pad(): void {
    const database = new Database(this.#path(''));
    database.exec(`CREATE TABLE "padding" ("bytes" BLOB)`);
    database.prepare(`INSERT INTO "padding" VALUES (zeroblob(?))`).run(PADDING_BYTES);
    database.exec(`DROP TABLE "padding"`);
    database.close();
  }

  #path(suffix: '' | '-wal'): string {
    return this.#broker.installation.file(`store/quaymaster.db${suffix}`);
  }

  /** Restores the store, and applies `damage` to one of its files. `used`: the numbers of the pages in use. */
  async damage(
    suffix: '' | '-wal',
    damage: (bytes: Buffer, used: readonly number[]) => Buffer,
  ): Promise<Trial> {
    const { installation } = this.#broker;
    for (const folder of ['store', 'keys']) {
      await rm(installation.file(folder), { recursive: true, force: true });
      await cp(join(this.#good, folder), installation.file(folder), { recursive: true });
    }
    const bytes = await readFile(this.#path(suffix));
    const used = this.#used.filter((page) => page * PAGE_BYTES <= bytes.length);
    await writeFile(this.#path(suffix), damage(bytes, used));
    const differing = await this.#differingTables();
    const seen = await this.#serveOnce();
    if (seen !== undefined) return seen;
    if (differing.length === 0) return { finding: 'harmless', detail: '' };
    const detail = differing.join(', ');
    if (!(await this.#verifies())) return { finding: 'verify only', detail };
    if (differing.some((table) => CHECKED.includes(table))) return { finding: 'unseen', detail };
    const isDerived = differing.every((table) => DERIVED.includes(table));
    return { finding: isDerived ? 'rebuilt' : 'unused', detail };
  }

  remove(): Promise<void> {
    return this.#broker.remove();
  }

  async #serveOnce(): Promise<Trial | undefined> {
    const take = (): void => undefined;
    const log = { info: take, warn: take, error: take };
    let serving: Serving;
    try {
      serving = await serve(this.#config, { clock: fastClock(systemClock.now(), SPEED), log });
    } catch (error) {
      return { finding: 'refused', detail: BrokerError.from(error).code };
    }
    try {
      return await this.#use(serving);
    } finally {
      await serving.stop('test').catch(take);
    }
  }

  async #use({ broker, url }: Serving): Promise<Trial | undefined> {
    const held = (): Trial | undefined =>
      broker.unready().length === 0
        ? undefined
        : {
            finding: 'held',
            detail: [...broker.unready(), ...broker.held().map(({ reason }) => reason)].join(' '),
          };
    if (held() !== undefined) return held();
    for (const token of this.#sessions) {
      for (const [path, value] of this.#values) {
        const seen = await readAnswer(url, { token, path, value });
        if (seen !== undefined) return held() ?? seen;
      }
    }
    const walked = (): boolean =>
      broker.indexes().completedAt !== undefined &&
      broker.trail.scrubber.status().completedAt !== undefined;
    await until('the scrubs are complete', () => Promise.resolve(held() !== undefined || walked()));
    const warnings = broker.warnings();
    if (held() !== undefined) return held();
    return warnings.length === 0 ? undefined : { finding: 'warned', detail: warnings.join(' ') };
  }

  async #verifies(): Promise<boolean> {
    const directory = await mkdtemp(join(tmpdir(), 'qm-damaged-'));
    const { audit } = this.#config;
    const { chain, logKey } = await beginLog(this.#config, systemClock);
    const identity = logIdentity(audit.origin, logKey!);
    const { store: options, mode } = this.#config;
    const store = await openStore(options, { chain, clock: systemClock, mode });
    try {
      await exportLog(storeSource(store, identity), join(directory, 'export'));
      const externalCheckpoint = await readFile(join(this.#good, 'keys/checkpoint'), 'utf8');
      const report = await verifyExport(join(directory, 'export'), { externalCheckpoint });
      return report.holds && report.assurance === 'anchored';
    } catch {
      return false;
    } finally {
      await store.close();
      await rm(directory, { recursive: true });
    }
  }

  async #differingTables(): Promise<readonly string[]> {
    const dump = await this.#dumpOf().catch(() => ({ file: 'unreadable' }));
    const names = new Set([...Object.keys(dump), ...Object.keys(this.#dump)]);
    return [...names].filter((name) => (dump as Record<string, string>)[name] !== this.#dump[name]);
  }

  /** All rows of all tables. */
  #dumpOf(): Promise<Readonly<Record<string, string>>> {
    return this.#onCopy((database) => {
      if (database.pragma('integrity_check(1)', { simple: true }) !== 'ok')
        throw new Error('the file is damaged');
      const tables = database
        .prepare(`SELECT "name" FROM sqlite_schema WHERE "type" = 'table'`)
        .pluck()
        .all() as string[];
      const rowsOf = (table: string): string =>
        JSON.stringify(database.prepare(`SELECT rowid, * FROM "${table}"`).all());
      return Object.fromEntries(tables.map((table) => [table, rowsOf(table)]));
    });
  }

  /** Opening a store changes its files, so this opens a copy. */
  async #onCopy<R>(work: (database: Database.Database) => R): Promise<R> {
    const copy = await mkdtemp(join(tmpdir(), 'qm-copy-'));
    try {
      await cp(this.#broker.installation.file('store'), copy, { recursive: true });
      const database = new Database(join(copy, 'quaymaster.db'));
      try {
        return work(database);
      } finally {
        database.close();
      }
    } finally {
      await rm(copy, { recursive: true });
    }
  }
}

async function readAnswer(
  url: string,
  { token, path, value }: { readonly token: string; readonly path: string; readonly value: string },
): Promise<Trial | undefined> {
  const answer = await fetch(`${url}/api/v1/secrets/${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const body = (await answer.json()) as { data?: { value?: string }; code?: string };
  if (answer.status === 200) {
    const isRight = body.data?.value === value;
    return isRight ? undefined : { finding: 'wrong', detail: path };
  }
  const isSilent = answer.status === 401 || answer.status === 404 || answer.status === 403;
  return { finding: isSilent ? 'absent' : 'failed', detail: body.code ?? String(answer.status) };
}

/** Flips one bit of a byte in one of the pages. */
export function flipInPages(bytes: Buffer, pages: readonly number[], random: () => number): Buffer {
  const page = pages[Math.floor(random() * pages.length)] ?? 1;
  return flipAt(bytes, (page - 1) * PAGE_BYTES + Math.floor(random() * PAGE_BYTES), random);
}

export function flipAt(bytes: Buffer, at: number, random: () => number): Buffer {
  bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(random() * 8));
  return bytes;
}

/** Numbers in [0, 1) that a seed determines (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
