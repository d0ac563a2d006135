import { systemClock } from '../../../../../src/process/clock.ts';
import { describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';
import type { RotationTarget } from '../../../../../src/ports/rotation-target.ts';
import { vaultAt } from '../../../../../src/providers/vault/open.ts';
import type { VaultClient } from '../../../../../src/providers/vault/client/client.ts';
import { turnOf } from '../../../../contract/rotation-target.contract.ts';
import { contextOf, failureOf } from '../../../../contract/secret-provider.contract.ts';

const CANARY = 'canary-77f0';
const CURRENT = { username: 'app', password: 'held' };

/** A Vault with scripted answers that counts the requested changes. */
function answering(...answers: readonly unknown[]): { target: RotationTarget; changes: string[] } {
  const changes: string[] = [];
  const left = [...answers];
  const client = {
    read: () => Promise.resolve(left.length > 1 ? left.shift() : left[0]),
    effect: ({ path }: { path: string }) => Promise.resolve(changes.push(path)),
  } as Partial<VaultClient> as VaultClient;
  const target = vaultAt('vault', client, systemClock).rotation.target('static-role', {
    role: 'app',
  });
  return { target, changes };
}

describe('a Vault with false answers about a static role', () => {
  it.each([
    ['nothing', undefined],
    ['a list', { data: [CANARY] }],
    ['no password', { data: { username: 'app' } }],
    ['an empty password', { data: { username: 'app', password: '' } }],
    ['a number', { data: { username: 'app', password: 5 } }],
    ['an endless password', { data: { username: 'app', password: CANARY.repeat(1000) } }],
  ])('is refused when it answers %s, and nothing is changed', async (_what, answer) => {
    const { target, changes } = answering(answer);
    for (const step of [
      target.create(turnOf(CURRENT)),
      target.set(turnOf(CURRENT), CURRENT),
      target.test(CURRENT, contextOf()),
    ]) {
      const error = await failureOf(step);
      expect(error.code).toBe('ERR_PROVIDER_MALFORMED');
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(CANARY);
    }
    expect(changes).toEqual([]);
  });

  it('is refused when it reports a changed password, and still has the same one', async () => {
    const { target, changes } = answering({ data: CURRENT });
    expect(await failureOf(target.create(turnOf(CURRENT)))).toMatchObject({
      code: 'ERR_PROVIDER_MALFORMED',
      reason: 'not_rotated',
    });
    expect(changes).toEqual(['database/rotate-role/app']);
  });

  it('gets no request if the current value holds half a login', async () => {
    const { target, changes } = answering({ data: CURRENT });
    expect(await failureOf(target.create(turnOf({ username: 'app' })))).toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'no_login',
    });
    expect(changes).toEqual([]);
  });
});
