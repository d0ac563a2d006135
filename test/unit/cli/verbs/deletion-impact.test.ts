import { describe, expect, it } from '@jest/globals';
import {
  affectedByDeletion,
  affectedByDestruction,
  affectedByDocument,
} from '../../../../src/cli/verbs/deletion-impact.ts';
import { refusal, ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

const denied = () => {
  throw refusal(403, 'ERR_DENIED');
};
const items = (count: number) => () => ({ items: Array.from({ length: count }, () => ({})) });
const rotations = () => ({
  items: [{ path: 'team/db' }, { path: 'team/api' }, { path: 'teams/db' }],
});

describe('the question before a deletion', () => {
  it('counts the secrets, rotating paths and live leases of a mount', async () => {
    const broker = new ScriptedBroker({
      listSecrets: items(3),
      listLeases: items(1),
      listRotations: rotations,
    });
    expect(await affectedByDocument(broker, 'mount', 'm', { prefix: 'team' })).toBe(
      'no longer served: 3 secrets, 2 rotating paths, 1 live lease',
    );
    const [secrets, leases] = ['listSecrets', 'listLeases'].map((name) =>
      broker.asked.find(({ id }) => id === name),
    );
    expect(secrets?.query).toMatchObject({ prefix: 'team' });
    expect(leases?.query).toMatchObject({ mount: 'm', state: 'live' });
  });

  it('counts the open sessions of a cluster, and the tokens of an operator', async () => {
    const broker = new ScriptedBroker({ listSessions: items(2), listOperatorTokens: items(1) });
    expect(await affectedByDocument(broker, 'cluster', 'c', {})).toContain('2 open sessions');
    expect(broker.asked[0]?.query).toMatchObject({ cluster: 'c' });
    expect(await affectedByDocument(broker, 'operator', 'eva', {})).toBe(
      'no longer accepted: 1 token',
    );
  });

  it('counts the rules of a policy and the live leases below its paths', async () => {
    const broker = new ScriptedBroker({ listLeases: items(4) });
    const rules = [
      { effect: 'allow', paths: ['team/app/**', 'team/${namespace}/*', '**'] },
      { effect: 'deny', paths: ['team/app/root'] },
    ];
    expect(await affectedByDocument(broker, 'policy', 'p', { spec: { rules } })).toBe(
      'no longer applied: 1 allow rule, 1 deny rule, 4 live leases below team/app, 4 live leases below team; without its deny rules other policies may allow more',
    );
  });

  const states = ['current', 'previous', 'deleted', 'destroyed'];
  const secret = new ScriptedBroker({
    listSecretVersions: () => ({
      items: states.map((state, index) => ({ state, version: String(4 - index) })),
    }),
    listLeases: items(2),
    listRotations: rotations,
  });

  it('counts the versions of a secret that can be read', async () => {
    expect(await affectedByDeletion(secret, 'team/db')).toBe(
      'affected: 2 versions, 2 live leases, 1 rotating path',
    );
  });

  it.each([
    [undefined, '3 versions (1 of them could still be restored)'],
    [['3'], '1 of 3 versions'],
    [['2'], '1 of 3 versions (1 of them could still be restored)'],
    [['4', '3'], '2 of 3 versions, the current one included: the secret is absent then'],
  ])('counts the versions that a destruction loses: %j', async (chosen, text) => {
    expect(await affectedByDestruction(secret, 'team/db', chosen)).toBe(
      `affected: ${text}, 2 live leases, 1 rotating path`,
    );
  });

  it('says which counts the caller may not see', async () => {
    const broker = new ScriptedBroker({
      listSecretVersions: denied,
      listLeases: denied,
      listRotations: denied,
    });
    expect(await affectedByDeletion(broker, 'a/b')).toBe(
      'affected: an unknown number of versions, an unknown number of live leases, an unknown number of rotating paths',
    );
  });

  it('is not asked if the token is not accepted', async () => {
    const unknown = () => {
      throw refusal(401, 'ERR_UNAUTHENTICATED');
    };
    const broker = new ScriptedBroker({
      listSecretVersions: unknown,
      listLeases: unknown,
      listRotations: unknown,
    });
    await expect(affectedByDeletion(broker, 'a/b')).rejects.toMatchObject({ status: 401 });
  });
});
