import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type Database from 'better-sqlite3';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { forge, FORGED, leaveEntries, searchUntilDamage } from '../../kit/log/forged-entries.ts';

let own: AttackedInstallation;
let token: string;
let real: string;

beforeAll(async () => {
  own = await AttackedInstallation.make();
  token = await own.init();
  const first = await own.serve();
  await leaveEntries(first, token);
  real = (await searchUntilDamage(first, token)).text;
  await first.stop('test');
  own.copyStore('good');
});
afterAll(() => own.remove());

interface Batch {
  readonly place: number;
  readonly entries: Buffer;
}

function batches(database: Database.Database): readonly Batch[] {
  const sql = 'SELECT rowid AS place, "entries" FROM "audit_batches" ORDER BY rowid';
  return database.prepare(sql).all() as Batch[];
}

function change(database: Database.Database, { place }: Batch, entries: Buffer): void {
  database.prepare('UPDATE "audit_batches" SET "entries" = ? WHERE rowid = ?').run(entries, place);
}

/** Applies a change of the text to each batch that has an entry of the operator. */
const texts =
  (edit: (text: string) => string) =>
  (database: Database.Database): void => {
    for (const batch of batches(database)) {
      const text = batch.entries.toString('latin1');
      if (!text.includes('"id":"bootstrap"')) continue;
      change(database, batch, Buffer.from(edit(text), 'latin1'));
    }
  };

const FORGERIES: readonly [what: string, forgery: (database: Database.Database) => void][] = [
  [
    'another operator in each entry',
    (database) => {
      for (const batch of batches(database)) change(database, batch, forge(batch.entries));
    },
  ],
  [
    'another operator of the same length',
    texts((text) => text.replaceAll('bootstrap', 'bootstrup')),
  ],
  ['another outcome', texts((text) => text.replaceAll('"outcome":"ok"', '"outcome":"no"'))],
  ['another time', texts((text) => text.replaceAll(/"time":"20/g, '"time":"19'))],
  [
    'an operator in other letters',
    texts((text) => text.replaceAll('bootstrap', 'boot\\u0073trap')),
  ],
  ['one blank more', texts((text) => text.replace('{"', '{ "'))],
  ['one bit', texts((text) => text.replace('bootstrap', 'bootstraq'))],
  ['nothing', texts(() => '')],
  ['half of the entries', texts((text) => text.slice(0, text.length / 2))],
  ['all entries twice', texts((text) => text + text)],
  [
    'the entries of another batch',
    (database) => {
      const all = batches(database);
      const [from, to] = [all.at(-1)!, all.at(-2)!];
      change(database, to, from.entries);
    },
  ],
  [
    'two batches exchanged',
    (database) => {
      const all = batches(database);
      const [left, right] = [all.at(-1)!, all.at(-3)!];
      change(database, left, right.entries);
      change(database, right, left.entries);
    },
  ],
  [
    'a batch less',
    (database) => {
      const { place } = batches(database).at(-2)!;
      database.prepare('DELETE FROM "audit_batches" WHERE rowid = ?').run(place);
    },
  ],
  [
    'forged entries with the leaf hashes of others',
    (database) => {
      for (const batch of batches(database)) change(database, batch, forge(batch.entries));
      database.exec(
        'UPDATE "log_tiles" SET "hashes" = (SELECT "hashes" FROM "log_tiles" LIMIT 1) WHERE "level" = 0',
      );
    },
  ],
];

it.each(FORGERIES)(
  'shows no entry that was not recorded, in a store with %s (AL01)',
  async (_what, forgery) => {
    own.restoreStore('good');
    own.sql(forgery);
    const serving = await own.serve();
    try {
      const { status, text } = await searchUntilDamage(serving, token);
      const isHeld = serving.broker.unready().includes('ERR_HELD');
      // 503 where the store is held, 500 with the damage where entries are bad. All that is shown was recorded.
      expect({ status, isHeld }).toEqual({ status: isHeld ? 503 : 500, isHeld });
      expect(text).not.toContain(FORGED);
      if (!isHeld) expect(text).toMatch(/the audit log is damaged: entr(y|ies) \d+/);
      expect(real).not.toContain(FORGED);
    } finally {
      await serving.stop('test');
    }
  },
);
