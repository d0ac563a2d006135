import pg from 'pg';
import { splitEntries } from '../../../src/audit/records/entry.ts';
import type { StoredEntry } from './store-diff.ts';

/** An entry with the server's time of its commit: microseconds since the epoch. */
export interface CommittedEntry extends StoredEntry {
  readonly committedAt: number;
}

interface Batch {
  readonly writer: string;
  readonly first_seq: string;
  readonly count: string;
  readonly entries: Buffer;
  readonly at: string;
}

const POLL_MS = 100;
const BATCHES = `SELECT "writer", "first_seq", "count", "entries",
  (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint AS "at" FROM "audit_batches"`;

/**
 * The log of a store on a PostgreSQL with `track_commit_timestamp`, of all writers, in the server's commit order. It reads batches while they are
 * committed, because a segment has no time of its commits.
 */
export class CommitRecorder {
  readonly #client: pg.Client;
  readonly #batches = new Map<string, Batch>();
  #polling: Promise<void> = Promise.resolve();
  #isOver = false;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async start(connectionString: string): Promise<CommitRecorder> {
    const client = new pg.Client({ connectionString });
    await client.connect();
    const recorder = new CommitRecorder(client);
    recorder.#polling = recorder.#poll();
    return recorder;
  }

  /** All entries up to now. @throws if a batch was compacted before it was read */
  async read(): Promise<readonly CommittedEntry[]> {
    await this.#take();
    const batches = [...this.#batches.values()];
    for (const [writer, own] of Map.groupBy(batches, (batch) => batch.writer)) {
      let next = 1;
      for (const batch of own.toSorted((a, b) => Number(a.first_seq) - Number(b.first_seq))) {
        if (Number(batch.first_seq) !== next) throw new Error(`${writer} ${next} was not recorded`);
        next += Number(batch.count);
      }
    }
    return batches
      .toSorted((a, b) => Number(a.at) - Number(b.at))
      .flatMap(({ entries, at }) =>
        splitEntries(entries).map((line) => ({
          ...(JSON.parse(line) as StoredEntry),
          committedAt: Number(at),
        })),
      );
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#polling;
    await this.#client.end();
  }

  async #poll(): Promise<void> {
    while (!this.#isOver) {
      // The store's tables do not exist before its initialisation.
      await this.#take().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  async #take(): Promise<void> {
    const { rows } = await this.#client.query<Batch>(BATCHES);
    for (const batch of rows) {
      const place = `${batch.writer} ${batch.first_seq}`;
      if (!this.#batches.has(place)) this.#batches.set(place, batch);
    }
  }
}
