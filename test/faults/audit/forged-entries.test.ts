import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { verifyExport } from '../../../src/audit/proof/verify.ts';
import { bearer, BrokerClient } from '../../../src/client/index.ts';
import { runAuditExport } from '../../../src/program/verbs/audit-export.ts';
import type { Serving } from '../../../src/program/serving/serve.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import {
  ask,
  expectFound,
  forge,
  FORGED,
  leaveEntries,
  searchUntilDamage,
} from '../../kit/log/forged-entries.ts';

interface Batch {
  readonly rowid: number;
  readonly entries: Buffer;
}

let own: AttackedInstallation;
let token: string;
let serving: Serving | undefined;

beforeEach(async () => {
  own = await AttackedInstallation.make();
  token = await own.init();
  const first = await own.serve();
  await leaveEntries(first, token);
  await first.stop('test');
  serving = undefined;
});
afterEach(async () => {
  await serving?.stop('test');
  await own.remove();
});

function forgeAll(): void {
  own.sql((database) => {
    const rows = database.prepare('SELECT rowid, "entries" FROM "audit_batches"').all() as Batch[];
    const update = database.prepare('UPDATE "audit_batches" SET "entries" = ? WHERE rowid = ?');
    for (const { rowid, entries } of rows) update.run(forge(entries), rowid);
  });
}

describe('forged entries in the file of a stopped broker', () => {
  it('are named and never shown, and the scrubber reports them (AL01)', async () => {
    forgeAll();
    serving = await own.serve();
    await expectFound(serving, token, 6);
    expect(own.logged).toContainEqual(
      expect.objectContaining({
        message: expect.stringMatching(/^the audit log is damaged: entr/),
      }),
    );
    expect(JSON.stringify(own.logged)).not.toContain(FORGED);
  });

  it('are detected when their leaf hashes were forged along with them (AL01)', async () => {
    forgeAll();
    own.sql((database) =>
      database.exec(
        'UPDATE "log_tiles" SET "hashes" = zeroblob(length("hashes")) WHERE "level" = 0',
      ),
    );
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });

  it('are left out of an export of the running broker, which names them', async () => {
    forgeAll();
    serving = await own.serve();
    const target = own.at('export');
    const broker = new BrokerClient({ url: serving.url }).as(bearer(token));
    const { text, damage } = await runAuditExport(
      target,
      { broker },
      { progress: () => undefined },
    );
    broker.close();
    expect(text).toMatch(/^exported \d+ of \d+ entries of quaymaster.test\/attacked to /);
    expect(damage.length).toBeGreaterThan(0);
    expect(damage[0]).toMatch(/^entr(y|ies) \d+.* not what was recorded$/);
    const report = await verifyExport(target);
    expect(report.holds).toBe(false);
    expect(new Set(report.findings.map(({ what }) => what))).toEqual(new Set(['entry_altered']));
    expect(report.findingCount).toBe(damage.length);
    const bundle = await readFile(own.at(`export/tile/entries/000.p/${report.size}`), 'latin1');
    expect(bundle).not.toContain(FORGED);
    expect(bundle).toContain('"action":"broker.start"');
  });

  it('hide nothing below them: a search continues from the named index', async () => {
    forgeAll();
    serving = await own.serve();
    const { status, text } = await searchUntilDamage(serving, token);
    expect(status).toBe(500);
    const [, index = ''] = /entr(?:y|ies) (\d+)/.exec(text) ?? [];
    const below = await ask(serving, token, `/api/v1/audit/entries?after=${index}`);
    expect(below.text).toContain('"action":"broker.start"');
  });

  it('hide no others: a search that would not show them finds the rest', async () => {
    forgeAll();
    serving = await own.serve();
    const { status, text } = await searchUntilDamage(serving, token, '&action=broker.start');
    expect(status).toBe(200);
    expect(text).toContain('"action":"broker.start"');
  });
});

describe('batches whose head or signature was changed in the file of a stopped broker', () => {
  it.each(['head', 'signature'])(
    'are reported by the walk over the log: %s (F31)',
    async (column) => {
      own.sql((database) => {
        const [{ rowid, bytes }] = database
          .prepare(`SELECT rowid, "${column}" AS "bytes" FROM "audit_batches" LIMIT 1 OFFSET 1`)
          .all() as [{ readonly rowid: number; readonly bytes: Buffer }];
        bytes[7] = (bytes[7] ?? 0) ^ 1;
        const sql = `UPDATE "audit_batches" SET "${column}" = ? WHERE rowid = ?`;
        database.prepare(sql).run(bytes, rowid);
      });
      const running = await own.serve();
      serving = running;
      await running.broker.trail.scrubber.walk();
      expect(running.broker.warnings()).toContain('audit_log_damaged');
      expect(running.broker.trail.scrubber.status()).toMatchObject({
        damaged: 0,
        tilesAltered: false,
        alteredBatches: 1,
      });
      expect(own.logged).toContainEqual(
        expect.objectContaining({ message: expect.stringContaining('sign') }),
      );
    },
  );

  it.each([
    ['before the genuine ones', (line: Buffer, entries: Buffer) => [line, entries]],
    ['after the genuine ones', (line: Buffer, entries: Buffer) => [entries, line]],
    [
      'without a newline at the end',
      (line: Buffer, entries: Buffer) => [entries, line.subarray(0, -1)],
    ],
    ['that are empty', (_line: Buffer, entries: Buffer) => [entries, Buffer.from('\n')]],
  ])('are reported with the batch if lines were added to its row %s', async (_where, padded) => {
    let writer = '';
    own.sql((database) => {
      const [row] = database
        .prepare('SELECT rowid, "entries", "writer" FROM "audit_batches" LIMIT 1 OFFSET 1')
        .all() as [Batch & { readonly writer: string }];
      const forged = forge(row.entries);
      const line = forged.subarray(0, forged.indexOf('\n') + 1);
      const update = database.prepare('UPDATE "audit_batches" SET "entries" = ? WHERE rowid = ?');
      update.run(Buffer.concat(padded(line, row.entries)), row.rowid);
      writer = row.writer;
    });
    const running = await own.serve();
    serving = running;
    await running.broker.trail.scrubber.walk();
    expect(running.broker.warnings()).toContain('audit_log_damaged');
    expect(running.broker.trail.scrubber.status()).toMatchObject({ damaged: 0, alteredBatches: 1 });
    expect(own.logged).toContainEqual(
      expect.objectContaining({
        fields: expect.objectContaining({ what: 'batch_padded', writer }),
        message: expect.stringMatching(
          / has (\d+) lines in the store, and \d+ in the log: lines were added to it/,
        ),
      }),
    );
    expect(JSON.stringify(own.logged)).not.toContain(FORGED);
  });

  it('are absent from a sound log, which has no warning', async () => {
    const running = await own.serve();
    serving = running;
    await running.broker.trail.scrubber.walk();
    expect(running.broker.warnings()).toEqual([]);
    expect(running.broker.trail.scrubber.status().checked).toBeGreaterThan(5);
  });
});
