import { systemClock } from '../../src/process/clock.ts';
import { expect, it } from '@jest/globals';
import { staticRoleOptions } from '../../src/providers/vault/config.ts';
import { vaultAt } from '../../src/providers/vault/open.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { openBaoCall } from '../kit/backends/openbao-calls.ts';
import type { OpenBao } from '../kit/backends/openbao.ts';
import type { Postgres } from '../kit/backends/postgres.ts';
import { VaultConnections } from '../kit/providers/vault-connections.ts';
import { databaseRole } from '../kit/rotation/vault-database-role.ts';
import { fixtureAt } from '../kit/rotation/target-fixture.ts';
import {
  rotationTargetContract,
  turnOf,
  type RotationFixture,
} from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

interface StaticRoleFixture extends RotationFixture {
  readonly engine: string;
}

/** A static role of the database engine over a real PostgreSQL. */
async function staticRole(bao: OpenBao, postgres: Postgres): Promise<StaticRoleFixture> {
  const connections = await VaultConnections.create();
  const place = await databaseRole(bao, postgres);
  const fixture = await fixtureAt(place, async () => {
    const { client } = await connections.connect(bao.address, place.token);
    return vaultAt('vault', client, systemClock).rotation;
  });
  const close = async (): Promise<void> => {
    await connections.close();
    await fixture.close();
  };
  return { ...fixture, engine: place.engine, close };
}

describeWith(['openbao', 'postgres'], 'OpenBao', ({ openbao, postgres }) => {
  rotationTargetContract('a static role', () => staticRole(openbao, postgres), {
    slots: 'one',
    drillable: false,
    madeByTarget: true,
    oneWay: 'create',
    hostless: true,
    unnamed: true,
  });

  it('adopts a password that Vault rotated by itself, and requests no other', async () => {
    const fixture = await staticRole(openbao, postgres);
    await openBaoCall(openbao, 'POST', `${fixture.engine}/rotate-role/app`, {});
    const before = await fixture.state();
    const pending = await fixture.target.create(turnOf(fixture.current));
    expect(await fixture.state()).toBe(before);
    expect(await fixture.logsIn(pending)).toBe(true);
    await openBaoCall(openbao, 'POST', `${fixture.engine}/rotate-role/app`, {});
    const error = await failureOf(fixture.target.set(turnOf(fixture.current), pending));
    expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'moved_on' });
    await fixture.close();
  });

  it('requests nothing if the value belongs to another user, or the claim is lost', async () => {
    const fixture = await staticRole(openbao, postgres);
    const before = await fixture.state();
    const another = turnOf({ ...fixture.current, username: 'postgres' });
    expect(await failureOf(fixture.target.create(another))).toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'another_user',
    });
    const lost = turnOf(fixture.current, { lost: true });
    expect(await failureOf(fixture.target.create(lost))).toMatchObject({ reason: 'claim_lost' });
    expect(await fixture.state()).toBe(before);
    await fixture.target.discard(turnOf(fixture.current), fixture.current);
    expect(await fixture.logsIn(fixture.current)).toBe(true);
    await fixture.close();
  });

  it('reports that Vault refuses, or has no such role', async () => {
    const connections = await VaultConnections.create();
    const connection = await connections.connect(openbao.address, openbao.rootToken);
    const rotation = vaultAt('vault', connection.client, systemClock).rotation;
    const absent = rotation.target('static-role', { engine: 'secret', role: 'none' });
    expect(
      (await failureOf(absent.test({ username: 'a', password: 'b' }, contextOf()))).code,
    ).toMatch(/^ERR_(?:NOT_FOUND|PROVIDER_)/);
    expect(() => rotation.target('other', {})).toThrow('not valid');
    for (const role of ['..', 'a/b', 'a?b', '']) {
      expect(staticRoleOptions.safeParse({ role }).success).toBe(false);
    }
    await connections.close();
  });
});
