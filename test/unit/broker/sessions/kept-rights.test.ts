import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  createOperatorToken,
  listOperatorTokens,
} from '../../../../src/broker/sessions/operator-tokens.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { Grant } from '../../../../src/domain/identity/principal.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';

let broker: TestBroker;
let root: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  root = await broker.operator('root', [{ role: 'admin' }, { role: 'secret-reader' }]);
});
afterEach(() => broker.close());

const AUDITOR: Grant = { role: 'auditor', scope: [] };
const ADMIN: Grant = { role: 'admin', scope: [] };

const give = (name: string, ...grants: readonly object[]) =>
  broker.put(root, 'operator', name, { grants });

async function mint(operator: string, body: object = {}): Promise<string> {
  const { token } = await createOperatorToken(broker.parts, broker.call(), root, {
    operator,
    body,
  });
  return token;
}

async function rights(token: string): Promise<readonly Grant[] | undefined> {
  const live = await broker.parts.tokens.find(token, broker.parts.catalog);
  return live?.operator.grants;
}

describe('a token (O44)', () => {
  it('does not gain the roles that its operator gets after the minting, used before or not', async () => {
    await give('puppet', AUDITOR);
    const [used, unused] = [await mint('puppet'), await mint('puppet')];
    expect(await rights(used)).toEqual([AUDITOR]);
    await give('puppet', AUDITOR, ADMIN);
    expect(await rights(used)).toEqual([AUDITOR]);
    expect(await rights(unused)).toEqual([AUDITOR]);
    expect(await rights(await mint('puppet'))).toEqual([AUDITOR, ADMIN]);
    broker = await broker.reopen();
    expect(await rights(used)).toEqual([AUDITOR]);
  });

  it('does not gain a role that it names itself and that its operator did not have', async () => {
    await give('bob', AUDITOR);
    const token = await mint('bob', { grants: [ADMIN] });
    expect(await rights(token)).toEqual([]);
    await give('bob', ADMIN);
    expect(await rights(token)).toEqual([]);
  });

  it('does not get a role back that its operator lost in the meantime', async () => {
    await give('bob', ADMIN);
    const [used, unused] = [await mint('bob'), await mint('bob')];
    expect(await rights(used)).toEqual([ADMIN]);
    await give('bob', AUDITOR);
    expect(await rights(used)).toEqual([AUDITOR]);
    await give('bob', ADMIN);
    await give('bob', ADMIN, AUDITOR);
    expect(await rights(used)).toEqual([AUDITOR]);
    expect(await rights(unused)).toEqual([AUDITOR]);
  });

  it('loses what its operator loses, within the scope of both', async () => {
    await give('ann', { role: 'secret-editor', scope: ['a', 'b'] });
    const token = await mint('ann');
    await give('ann', { role: 'secret-editor', scope: ['a/x', 'c'] });
    expect(await rights(token)).toEqual([{ role: 'secret-editor', scope: ['a/x'] }]);
    await give('ann', { role: 'secret-editor' });
    expect(await rights(token)).toEqual([{ role: 'secret-editor', scope: ['a/x'] }]);
    await give('ann', { role: 'secret-editor', scope: ['d'] });
    expect(await rights(token)).toEqual([]);
  });

  it('has no rights if a version of its operator is missing in the store', async () => {
    await give('bob', AUDITOR);
    const token = await mint('bob');
    await give('bob', ADMIN);
    await give('bob', AUDITOR);
    const { uid } = broker.parts.catalog.find('operator', 'bob')!;
    const remove = { kind: 'operator', name: 'bob', uid, version: 2 };
    await broker.store.real.commit({ writes: [{ table: 'document_versions', remove }] });
    expect(await rights(token)).toEqual([]);
  });

  it('is listed with its minter and the rights that it has', async () => {
    await give('bob', AUDITOR);
    await mint('bob');
    await give('bob', ADMIN);
    await mint('bob');
    const tokens = await listOperatorTokens(broker.parts, broker.call(), root, 'bob');
    const listed = tokens.map(({ stored, carries }) => [stored.spec.mintedBy, carries]);
    expect(listed).toHaveLength(2);
    expect(listed).toEqual(
      expect.arrayContaining([
        ['root', [AUDITOR]],
        ['root', [ADMIN]],
      ]),
    );
  });
});
