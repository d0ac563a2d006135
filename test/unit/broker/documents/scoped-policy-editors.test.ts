import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { applyDocument, deleteDocument } from '../../../../src/broker/documents/apply-document.ts';
import { documentVersions, readDocument } from '../../../../src/broker/documents/read-documents.ts';
import type { LiveOperator } from '../../../../src/broker/sessions/operator-token-memory.ts';
import { codeOf, policy, TestBroker } from '../../../kit/broker-parts.ts';

const NAME = 'kv.team.t';

let broker: TestBroker;
let admin: LiveOperator;
let scoped: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  scoped = await broker.operator('sc', [{ role: 'policy-editor', scope: ['kv/team'] }]);
});
afterEach(() => broker.close());

const apply = (
  kind: 'policy',
  name: string,
  body: unknown,
  {
    by = admin,
    precondition = { ifNoneMatch: '*' },
  }: { by?: LiveOperator; precondition?: object } = {},
) => applyDocument(broker.parts, broker.call(), by, { kind, name, body, precondition });

describe('policies of a scoped policy-editor', () => {
  it('do not reveal policies outside the scope: existing and absent ones look the same', async () => {
    const inside = (name: string) => policy(name, ['kv/team/**']);
    const outside = (name: string) => policy(name, ['kv/**']);
    const read = (name: string) =>
      readDocument(broker.parts, broker.call(), scoped, { kind: 'policy', name });
    const versions = (name: string) =>
      documentVersions(broker.parts, broker.call(), scoped, { kind: 'policy', name });
    const remove = (name: string, ifMatch = '*') =>
      deleteDocument(broker.parts, broker.call(), scoped, {
        kind: 'policy',
        name,
        precondition: { ifMatch },
      });
    for (const name of ['all', 'none', 'kv.teams', 'kv', 'kv.team']) {
      if (name === 'kv.team') await apply('policy', name, outside(name));
      for (const precondition of [{ ifNoneMatch: '*' }, { ifMatch: '*' }, { ifMatch: '"x"' }, {}]) {
        for (const body of [inside(name), inside('other'), outside(name), {}, 'nonsense']) {
          const by = { by: scoped, precondition } as const;
          expect(await codeOf(apply('policy', name, body, by))).toBe('ERR_DENIED');
        }
      }
      expect(await codeOf(read(name))).toBe('ERR_DENIED');
      expect(await codeOf(versions(name))).toBe('ERR_DENIED');
      expect(await codeOf(remove(name))).toBe('ERR_DENIED');
      expect(await codeOf(remove(name, '"x"'))).toBe('ERR_DENIED');
    }
    expect(await codeOf(apply('policy', NAME, inside(NAME), { by: scoped }))).toBe('no error');
  });

  it('may keep a name that an unscoped editor gave them', async () => {
    await apply('policy', 'theirs', policy('theirs', ['kv/team/**']));
    const ifAny = { by: scoped, precondition: { ifMatch: '*' } };
    const next = policy('theirs', ['kv/team/x']);
    expect(await codeOf(apply('policy', 'theirs', next, ifAny))).toBe('no error');
  });
});
