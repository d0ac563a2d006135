import { describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';
import type { SecretData } from '../../../../../src/domain/secrets/secret.ts';
import type { RotationTarget } from '../../../../../src/ports/rotation-target.ts';
import { vaultAt } from '../../../../../src/providers/vault/open.ts';
import type { VaultClient } from '../../../../../src/providers/vault/client/client.ts';
import { turnOf } from '../../../../contract/rotation-target.contract.ts';
import { contextOf, failureOf } from '../../../../contract/secret-provider.contract.ts';
import { HandClock } from '../../../../kit/time/hand-clock.ts';

const CANARY = 'canary-31c9';
const OLD = { access_key: 'AKIAOLD', secret_key: 'old' };
const NEW = { access_key: 'AKIANEW', secret_key: 'new' };
const CURRENT: SecretData = { accessKeyId: 'AKIAOLD', secretAccessKey: 'old', region: 'kept' };
const NOW = Date.parse('2026-06-01T10:00:00Z');

/** A Vault whose engine answers `static-creds/app` with its current key, as its documentation says. */
function having(data: unknown, options: object = {}) {
  const asked: string[] = [];
  const vault = { data };
  const client = {
    read: ({ path }: { path: string }) => {
      asked.push(path);
      return Promise.resolve({ data: vault.data });
    },
    effect: () => Promise.reject(new Error('nothing is to be changed')),
  } as Partial<VaultClient> as VaultClient;
  const connection = vaultAt('vault', client, new HandClock(NOW)).rotation;
  const target: RotationTarget = connection.target('aws-static-role', { role: 'app', ...options });
  return { target, asked, vault };
}

describe('a static role of an AWS engine', () => {
  it("is followed: the broker adopts Vault's new key, and requests nothing", async () => {
    const { target, asked } = having(NEW);
    expect([target.locators, target.slots, target.drillable]).toEqual([
      ['aws/static-roles/app'],
      'one',
      false,
    ]);
    const turn = turnOf(CURRENT);
    const pending = await target.create(turn);
    expect(pending).toEqual({ accessKeyId: 'AKIANEW', secretAccessKey: 'new', region: 'kept' });
    await target.set(turn, pending);
    expect(await target.test(pending, contextOf())).toEqual({ accepted: true });
    await target.retire(turnOf(pending), CURRENT);
    expect(new Set(asked)).toEqual(new Set(['aws/static-creds/app']));
  });

  it('provides the first value of an empty path, under the configured keys', async () => {
    const keys = { accessKeyId: 'AWS_ACCESS_KEY_ID', secretAccessKey: 'AWS_SECRET_ACCESS_KEY' };
    const { target, asked } = having(NEW, { engine: 'teams/aws', keys });
    expect(await target.create(turnOf(undefined))).toEqual({
      AWS_ACCESS_KEY_ID: 'AKIANEW',
      AWS_SECRET_ACCESS_KEY: 'new',
    });
    expect(asked).toEqual(['teams/aws/static-creds/app']);
  });

  it.each([
    ['gives the time', '2026-06-01T10:05:00.250022397Z', 366],
    ['gives a past time', '2026-06-01T09:00:00Z', 65],
    ['gives no time', undefined, 900],
    ['gives an invalid time', CANARY, 900],
  ])('waits while Vault has the current key, which %s', async (_what, expiration, seconds) => {
    const { target } = having({ ...OLD, expiration });
    expect(await failureOf(target.create(turnOf(CURRENT)))).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
      reason: 'not_yet',
      retryAfterSeconds: seconds,
    });
  });

  it('can be discarded while Vault still has the current key, and not after', async () => {
    const { target, vault } = having(OLD);
    await target.discard(turnOf(CURRENT), { accessKeyId: 'AKIANEW', secretAccessKey: 'new' });
    vault.data = NEW;
    const turn = turnOf(CURRENT);
    expect(await failureOf(target.discard(turn, await target.create(turn)))).toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'no_way_back',
    });
    const lost = turnOf(CURRENT, { lost: true });
    expect(await failureOf(target.discard(lost, CURRENT))).toMatchObject({ reason: 'claim_lost' });
  });

  it('is parked when Vault has rotated again, and never revokes a key that must keep working', async () => {
    const { target, vault } = having(NEW);
    const turn = turnOf(CURRENT);
    const pending = await target.create(turn);
    vault.data = { access_key: 'AKIATHIRD', secret_key: 'third' };
    expect(await failureOf(target.set(turn, pending))).toMatchObject({ reason: 'moved_on' });
    expect(await target.test(pending, contextOf())).toEqual({
      accepted: false,
      reason: 'not_what_vault_has',
    });
    expect(await failureOf(target.retire(turnOf(pending), pending))).toMatchObject({
      reason: 'still_current',
    });
  });

  it.each([
    ['nothing', undefined],
    ['a list', [CANARY]],
    ['no secret', { access_key: CANARY }],
    ['an empty secret', { access_key: CANARY, secret_key: '' }],
    ['an endless key', { access_key: CANARY.repeat(20), secret_key: 'x' }],
  ])('is refused when Vault answers %s, and no error repeats it', async (_what, data) => {
    const { target } = having(data);
    for (const step of [
      target.create(turnOf(CURRENT)),
      target.set(turnOf(CURRENT), CURRENT),
      target.test(CURRENT, contextOf()),
    ]) {
      const error = await failureOf(step);
      expect(error.code).toBe('ERR_PROVIDER_MALFORMED');
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(CANARY);
    }
  });

  it.each([
    ['an engine of the server itself', { engine: 'sys' }, '/engine'],
    ['a role that is a path', { role: 'a/b' }, '/role'],
    ['one key for both', { keys: { accessKeyId: 'k', secretAccessKey: 'k' } }, '/keys'],
  ])('cannot be of %s', (_what, options, pointer) => {
    expect(() => having(NEW, options)).toThrow(
      expect.objectContaining({ problems: [expect.objectContaining({ pointer })] }),
    );
  });
});
