import { describe, expect, it } from '@jest/globals';
import { growthOf } from '../../../kit/checks/time-growth.ts';
import { refuseStaleCopies, refuseStaleLogin } from '../../../../src/providers/rotator/values.ts';

const KEYS = { username: 'username', password: 'password' };
const PASSWORD = 'Zk3/9:x@%q!w7';
const ENCODED = encodeURIComponent(PASSWORD);
const lower = (text: string): string => text.toLowerCase();
const LOGIN = { username: 'app_a', password: PASSWORD };
const refusal = (key: string, copied: string) =>
  expect.objectContaining({
    code: 'ERR_CONFLICT',
    reason: 'stale_copy',
    detail: expect.stringContaining(`"${key}" holds a copy of "${copied}"`),
  });

describe('a copy of a rotating password', () => {
  it.each([
    ['in a connection string', `postgres://app_a:${ENCODED}@db:5432/pay`],
    ['encoded in lower case', `postgres://x:${ENCODED.replaceAll(/%../g, lower)}@db`],
    ['in JSON', JSON.stringify({ password: PASSWORD })],
    ['in a DSN', `host=db password='${PASSWORD}' dbname=pay`],
    ['alone', PASSWORD],
  ])('is found %s', (_where, url) => {
    expect(() => refuseStaleLogin({ ...LOGIN, url }, KEYS, 'app_a')).toThrow(
      refusal('url', 'password'),
    );
  });

  it('is named by its key, never by its value', () => {
    let refusal: unknown;
    try {
      refuseStaleLogin({ ...LOGIN, url: `x ${PASSWORD}` }, KEYS, 'app_a');
    } catch (error) {
      refusal = error;
    }
    expect(String(refusal)).toContain('remove it, and compose it');
    expect(String(refusal)).not.toContain(PASSWORD);
  });

  it.each([
    ['another password', { url: 'postgres://app_a:another-one@db' }],
    ['a part of a longer word', { note: 'longwords', password: 'longword' }],
    ['bytes', { blob: { base64: 'AAEC' } }],
    ['no text of it', { host: 'db', port: '5432' }],
    ['a short one within a text', { password: 'app', url: 'https://app.example' }],
    ['the name of the user, which is not secret', { password: 'app_a', database: 'app_a' }],
    ['an empty one', { password: '', note: '' }],
    ['a percent sign that encodes nothing', { note: '100 %, 5%zz' }],
  ])('is not reported in %s', (_what, more) => {
    expect(() => refuseStaleLogin({ ...LOGIN, ...more }, KEYS, 'app_a')).not.toThrow();
  });

  it('is found if it is short and the whole value of another key', () => {
    const current = { ...LOGIN, password: 'pw', PGPASSWORD: 'pw' };
    expect(() => refuseStaleLogin(current, KEYS, 'app_a')).toThrow(
      refusal('PGPASSWORD', 'password'),
    );
  });
});

describe('a user name that the next value replaces', () => {
  it.each([
    'jdbc:postgresql://db:5432/pay?sslmode=require&user=app_a',
    'postgres://app_a@db/pay',
    'mysql://app%5Fa:elsewhere@db',
    'host=db user=app_a dbname=pay',
    'Server=db;Username=app_a;Database=pay',
  ])('is found in a login: %s', (url) => {
    const current = { ...LOGIN, url };
    expect(() => refuseStaleLogin(current, KEYS, 'app_b')).toThrow(refusal('url', 'username'));
    expect(() => refuseStaleLogin(current, KEYS, 'app_a')).not.toThrow();
  });

  it.each([
    { database: 'app_a', schema: 'app_a' },
    { url: 'http://app_a:8080/app_a' },
    { url: 'postgres://owner@db/app_a' },
  ])('is not reported elsewhere: %j', (more) => {
    expect(() => refuseStaleLogin({ ...LOGIN, ...more }, KEYS, 'app_b')).not.toThrow();
  });
});

describe('copies of several secrets', () => {
  const current = { id: 'AKIAEXAMPLE1', secret: 'wJalrXUtnFEMI' };

  it('are each found, and not within each other', () => {
    const own = ['id', 'secret'];
    expect(() => refuseStaleCopies({ ...current, config: 'key = AKIAEXAMPLE1' }, own)).toThrow(
      refusal('config', 'id'),
    );
    expect(() => refuseStaleCopies({ ...current, config: 'wJalrXUtnFEMI' }, own)).toThrow(
      refusal('config', 'secret'),
    );
    expect(() => refuseStaleCopies({ id: current.id, secret: current.id }, own)).not.toThrow();
    expect(() => refuseStaleCopies(undefined, own)).not.toThrow();
  });

  it('are found in a file of several, with another final line break', () => {
    const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n';
    const current = { 'tls.key': key, 'tls.pem': `x\n${key.trim()}` };
    expect(() => refuseStaleCopies(current, ['tls.key'])).toThrow(refusal('tls.pem', 'tls.key'));
  });

  it('are found in time linear in the text', () => {
    const factor = growthOf(
      (count) => {
        const note = ['//a:', 'user=', '%'].map((unit) => unit.repeat(count)).join('');
        const copies = 'a'.repeat(count * 5);
        refuseStaleLogin({ ...LOGIN, note, copies }, KEYS, 'app_b');
        const secret = 'a'.repeat((count * 5) / 2);
        refuseStaleCopies({ secret, copies: `${copies}b` }, ['secret']);
      },
      [2_000, 32_000],
    );
    // Sixteen times the text: a quadratic search would take 256 times as long.
    expect(factor).toBeLessThan(120);
  });
});
