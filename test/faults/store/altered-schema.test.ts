import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { dump } from 'js-yaml';
import { runRelease } from '../../../src/program/verbs/release.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

const UNDO = `CREATE TRIGGER "undo" AFTER DELETE ON "operator_tokens" BEGIN
  INSERT INTO "operator_tokens" VALUES (old.id, old.operator, old.operator_uid, old.hash, old.body, old.created_at, old.ends_at, old.mac); END`;

let own: AttackedInstallation;

beforeEach(async () => {
  own = await AttackedInstallation.make();
  await own.init();
});
afterEach(() => own.remove());

function recorded(): unknown {
  let count: unknown;
  own.sql((database) => {
    count = database.prepare('SELECT count(*) FROM "audit_batches"').pluck().get();
  });
  return count;
}

async function release(): Promise<string> {
  const path = own.at('config.yaml');
  await writeFile(path, dump(own.config), { mode: 0o600 });
  return runRelease({ config: path, comment: 'it looks fine' });
}

describe('a store with a trigger that undoes revocations', () => {
  beforeEach(() => {
    own.sql((database) => database.exec(UNDO));
  });

  it('is held from the start, the broker writes nothing to it, and the log names the trigger (C11)', async () => {
    const before = recorded();
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    expect(recorded()).toBe(before);
    expect(JSON.stringify(own.logged)).toContain(
      'trigger \\"undo\\" on \\"operator_tokens\\" is not of the migrations',
    );
  });

  it('stays held whatever the operator accepts, until the trigger is removed (C11)', async () => {
    const difference = 'trigger "undo" on "operator_tokens" is not of the migrations';
    await expect(release()).rejects.toMatchObject({ code: 'ERR_HELD' });
    await expect(release()).rejects.toThrow(difference);
    await expect(own.init()).rejects.toThrow(difference);
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
    own.sql((database) => database.exec('DROP TRIGGER "undo"'));
    expect(await own.unreadyAtStart()).toEqual([]);
  });
});
