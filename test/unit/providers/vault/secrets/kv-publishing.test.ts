import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';
import type { SecretProvider } from '../../../../../src/ports/secret-provider.ts';
import { contextOf, failureOf } from '../../../../contract/secret-provider.contract.ts';
import { FakeVault, type FakeAnswer } from '../../../../kit/fakes/fake-vault.ts';
import { VaultConnections } from '../../../../kit/providers/vault-connections.ts';

const CANARY = 'canary-52c8';

describe('rotated values at a faulty Vault', () => {
  let vault: FakeVault;
  let connections: VaultConnections;
  let provider: SecretProvider;
  const publish = () =>
    provider.publishing!.publish(provider.locate('db'), { password: CANARY }, 'r', contextOf());
  const answersWrites = (answer: FakeAnswer): void => {
    vault.fault = ({ method }) => (method === 'POST' ? answer : undefined);
  };
  const writes = (): number => vault.requests.filter(({ method }) => method === 'POST').length;

  beforeEach(async () => {
    vault = await FakeVault.start();
    vault.put('secret', 'db', { password: 'old' });
    connections = await VaultConnections.create();
    const connection = await connections.connect(vault.address, 's.broker');
    provider = connection.mount({ engine: 'kv-v2', path: 'secret' });
  });
  afterEach(async () => {
    await connections.close();
    await vault.close();
  });

  it('fail when others write in between each time', async () => {
    const said = 'check-and-set parameter did not match the current version';
    answersWrites({ status: 400, body: { errors: [said] } });
    expect(await failureOf(publish())).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
      reason: 'contended',
    });
    expect(writes()).toBe(4);
    expect(vault.requests.at(-1)?.body).toMatchObject({ options: { cas: 1 } });
  });

  it.each<[string, FakeAnswer, string]>([
    ['refuses with the value in its words', { status: 400, body: { errors: [CANARY] } }, 'FAILED'],
    ['forbids it', { status: 403, body: { errors: [CANARY] } }, 'DENIED'],
    ['breaks', { status: 500, body: { errors: [CANARY] } }, 'FAILED'],
    ['is sealed', { status: 503, body: { errors: ['Vault is sealed'] } }, 'UNAVAILABLE'],
    ['does not return the version', { status: 200, body: { data: { v: CANARY } } }, 'MALFORMED'],
  ])('are written once when it %s', async (_what, answer, code) => {
    answersWrites(answer);
    const error = await failureOf(publish());
    expect(error.code).toBe(`ERR_PROVIDER_${code}`);
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(CANARY);
    expect(writes()).toBe(1);
  });
});
