import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Deliveries } from '../../../../src/delivery/files/deliveries.ts';
import type {
  Outputs,
  SecretOutput,
  TemplateOutput,
} from '../../../../src/delivery/files/outputs.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { findCanary } from '../../../kit/checks/find-canary.ts';
import { heldSecrets } from '../../../kit/delivery/held-secret.ts';

const CANARY = 'qm-canary-77ab';
// On a disk, about which the agent warns; the temporary files of a run are in memory.
const base = mkdtempSync('/var/tmp/qm-deliveries-');
afterAll(() => rmSync(base, { recursive: true }));

let count = 0;
let directory = '';
let said: string[] = [];
beforeEach(() => {
  directory = join(base, `secrets-${(count += 1)}`);
  said = [];
});

const note = (fields: object, message: string): number =>
  said.push(`${JSON.stringify(fields)} ${message}`);
const log = { info: note, warn: note, error: note };

function secret(
  name: string,
  file: string | undefined,
  more: Partial<SecretOutput> = {},
): SecretOutput {
  return { name, file, format: 'json', mode: 0o400, ...more };
}

function template(file: string, text: string, more: Partial<TemplateOutput> = {}): TemplateOutput {
  return { file, text, mode: 0o400, ...more };
}

function prepared(outputs: Partial<Outputs>): Promise<Deliveries> {
  const all = { directory, secrets: [], templates: [], ...outputs };
  return Deliveries.prepare(all, { clock: new HandClock(), log });
}

const read = (target: string): string => readFileSync(join(directory, target), 'utf8');
const isThere = (target: string): boolean => existsSync(join(directory, target));

describe('deliveries', () => {
  it('leave the notification pending, also for the next agent, until the application has the last of them', async () => {
    const outputs = { secrets: [secret('db', 'db.json')] };
    const held = (value: string) => heldSecrets({ db: { key: value } });
    const first = await prepared(outputs);
    expect(first.isNotificationPending).toBe(false);
    await first.deliver(held('1'));
    first.beginNotification()();
    const tookFormer = first.beginNotification();
    await first.deliver(held('2'));
    tookFormer();
    first.close();
    const second = await prepared(outputs);
    expect(second.isNotificationPending).toBe(true);
    await second.deliver(held('2'));
    second.beginNotification()();
    second.close();
    const third = await prepared(outputs);
    expect(third.isNotificationPending).toBe(false);
    await third.remove(['db']);
    third.close();
    const fourth = await prepared(outputs);
    expect(fourth.isNotificationPending).toBe(true);
    fourth.close();
  });

  it('write all secrets in their formats, and templates, in one step', async () => {
    const source = join(base, 'app.conf.liquid');
    writeFileSync(source, 'url = {{ secrets.db.user | url }}:{{ secrets.mail.key }}\n');
    const deliveries = await prepared({
      secrets: [
        secret('db', 'db.json'),
        secret('mail', 'mail', { format: 'files' }),
        secret('env', 'app.env', { format: 'dotenv' }),
        secret('java', 'app.properties', { format: 'properties' }),
        secret('more', 'more.yaml', { format: 'yaml' }),
        secret('unwritten', undefined),
      ],
      templates: [template('app.conf', '', { text: undefined, source })],
    });
    const one = { K: 'v w' };
    const held = heldSecrets({
      db: { user: 'u@x' },
      mail: { key: 'k' },
      env: one,
      java: one,
      more: one,
      unwritten: one,
    });
    const { changed } = await deliveries.deliver(held);
    expect(changed).toHaveLength(6);
    expect(JSON.parse(read('db.json'))).toEqual({ user: 'u@x' });
    expect([read('mail/key'), read('app.env'), read('app.properties'), read('more.yaml')]).toEqual([
      'k',
      "K='v w'\n",
      'K=v w\n',
      '"K": "v w"\n',
    ]);
    expect(read('app.conf')).toBe('url = u%40x:k\n');
    expect(await deliveries.deliver(held)).toEqual({ changed: [], replaced: [] });
    deliveries.close();
  });

  it('do not use the directory if no file is configured', async () => {
    const deliveries = await prepared({ secrets: [secret('db', undefined)] });
    await deliveries.deliver(heldSecrets({ db: { a: '1' } }));
    await deliveries.removeAll();
    deliveries.close();
    expect(existsSync(directory)).toBe(false);
  });

  it('warn about a directory on a disk', async () => {
    (await prepared({ secrets: [secret('db', 'db.json')] })).close();
    expect(said.join()).toMatch(/is on a disk: use a volume of medium Memory/);
  });

  it('are refused with every problem at once', async () => {
    mkdirSync(directory, { mode: 0o700 });
    writeFileSync(join(directory, 'mine.json'), '');
    const outputs = {
      secrets: [secret('a', 'a'), secret('b', 'a/b'), secret('c', 'mine.json')],
      templates: [
        template('a', '{{ secrets.none.x }}'),
        template('t2', '{{ broken'),
        template('t3', '', { text: undefined, source: join(base, 'absent') }),
      ],
    };
    const failed = await prepared(outputs).then(() => '', String);
    expect(failed.split('\n').slice(1)).toEqual([
      '  /secrets/1/file: overlaps with /secrets/0/file',
      '  /templates/0/file: overlaps with /secrets/0/file',
      '  /templates/0: a uses secrets that are not configured: none; configured: a, b, c',
      expect.stringMatching(/^ {2}\/templates\/1: t2:1:1: .*not closed/),
      `  /templates/2: ${join(base, 'absent')} cannot be read: ENOENT`,
      `  ${directory}/mine.json: an entry that the agent did not create is in the way: remove it`,
    ]);
  });

  it('change and disclose nothing on failure (G04)', async () => {
    const deliveries = await prepared({
      secrets: [secret('db', 'db.env', { format: 'dotenv' }), secret('mail', 'mail.json')],
      templates: [template('app.conf', '{{ secrets.db.PASSWORD }} {{ secrets.mail.key }}')],
    });
    await deliveries.deliver(heldSecrets({ db: { PASSWORD: 'old' }, mail: { key: 'k' } }));
    const failures: string[] = [];
    for (const data of [
      { 'no-name': CANARY },
      { PASSWORD: { base64: CANARY } },
      { OTHER: CANARY },
    ]) {
      const held = heldSecrets({ db: data, mail: { key: CANARY } });
      await deliveries
        .deliver(held)
        .catch((error: unknown) => failures.push(String((error as Error).stack)));
      expect([read('db.env'), read('app.conf')]).toEqual(['PASSWORD=old\n', 'old k']);
      expect(JSON.parse(read('mail.json'))).toEqual({ key: 'k' });
    }
    expect(failures).toEqual([
      expect.stringMatching(/secret db: the key "no-name" cannot be a variable name/),
      expect.stringMatching(/secret db: the key "PASSWORD" holds bytes/),
      expect.stringMatching(
        /template of app.conf: app.conf:1:4: no such variable: secrets.db.PASSWORD/,
      ),
    ]);
    expect(findCanary(CANARY, { failures: failures.join(), log: said.join() })).toEqual([]);
    deliveries.close();
  });

  it('remove the files of a revoked secret, and keep the rest', async () => {
    const deliveries = await prepared({
      secrets: [secret('db', 'db', { format: 'files' }), secret('mail', 'mail.json')],
      templates: [
        template('both', '{{ secrets.db.a }}{{ secrets.mail.b }}'),
        template('mail.txt', '{{ secrets.mail.b }}'),
        template('computed', "{% assign n = 'mail' %}{{ secrets[n].b }}"),
      ],
    });
    const held = heldSecrets({ db: { a: 'A' }, mail: { b: 'B' } });
    await deliveries.deliver(held);
    await deliveries.remove(['db']);
    expect(['db/a', 'both', 'computed'].map(isThere)).toEqual([false, false, false]);
    expect([read('mail.txt'), JSON.parse(read('mail.json'))]).toEqual(['B', { b: 'B' }]);
    await deliveries.deliver(new Map([...held].filter(([name]) => name === 'mail')));
    expect(isThere('both')).toBe(false);
    await deliveries.deliver(held);
    expect([read('both'), read('db/a'), read('computed')]).toEqual(['AB', 'A', 'B']);
    await deliveries.removeAll();
    deliveries.close();
    expect(readdirSync(directory).filter((name) => !name.startsWith('..'))).toEqual([]);
  });

  it('leave out the files of a missing optional secret', async () => {
    const deliveries = await prepared({
      secrets: [secret('db', 'db.json'), secret('extra', 'extra.json')],
      templates: [
        template(
          'app.conf',
          "{% if secrets.extra %}x{% else %}none{% endif %} {{ secrets.extra.k | default: '-' }}",
        ),
      ],
    });
    await deliveries.deliver(heldSecrets({ db: { a: 'A' } }));
    expect([isThere('extra.json'), read('app.conf')]).toEqual([false, 'none -']);
    deliveries.close();
  });
});
