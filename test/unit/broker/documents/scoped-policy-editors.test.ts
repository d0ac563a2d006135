import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { applyDocument, deleteDocument } from '../../../../src/broker/documents/apply-document.ts';
import { documentVersions, readDocument } from '../../../../src/broker/documents/read-documents.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { codeOf, policy, TestBroker } from '../../../kit/broker/test-broker.ts';

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
  it('do not reveal policies outside the scope: existing and absent ones look the same (ED06)', async () => {
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

  type Attack = (name: string) => Promise<unknown>;
  const write =
    (body: (name: string) => unknown, precondition: object): Attack =>
    (name) =>
      apply('policy', name, body(name), { by: scoped, precondition });
  const inside = (name: string) => policy(name, ['kv/team/**']);
  const remove =
    (precondition: object): Attack =>
    (name) =>
      deleteDocument(broker.parts, broker.call(), scoped, { kind: 'policy', name, precondition });

  it.each<[string, Attack]>([
    [
      'reads',
      (name) => readDocument(broker.parts, broker.call(), scoped, { kind: 'policy', name }),
    ],
    [
      'asks for the versions of',
      (name) => documentVersions(broker.parts, broker.call(), scoped, { kind: 'policy', name }),
    ],
    ['creates', write(inside, { ifNoneMatch: '*' })],
    ['replaces', write(inside, { ifMatch: '*' })],
    ['replaces at a version', write(inside, { ifMatch: '"1"' })],
    ['replaces at a wrong version', write(inside, { ifMatch: '"99"' })],
    ['writes without a precondition', write(inside, {})],
    ['widens', write((name) => policy(name, ['**']), { ifMatch: '*' })],
    [
      'writes rules of which one is outside',
      write((name) => policy(name, ['kv/team/x', 'kv/other']), { ifMatch: '*' }),
    ],
    ['writes another name to', write(() => inside('other'), { ifMatch: '*' })],
    ['writes no policy to', write(() => null, { ifMatch: '*' })],
    ['writes a rule without a path to', write((name) => policy(name, []), { ifMatch: '*' })],
    [
      'writes a thousand rules to',
      write((name) => policy(name, Array(1_000).fill('kv/team/x')), {}),
    ],
    ['deletes', remove({ ifMatch: '*' })],
    ['deletes at a version', remove({ ifMatch: '"1"' })],
    ['deletes at a wrong version', remove({ ifMatch: '"99"' })],
    ['deletes without a precondition', remove({})],
  ])(
    'give the same answer to an editor who %s an existing and an absent one (ED06)',
    async (_what, attack) => {
      await apply('policy', 'taken', policy('taken', ['kv/**']));
      const seen = async (name: string): Promise<unknown> => {
        let failure: unknown;
        const entries = await broker.entriesOf(async () => {
          failure = await attack(name).catch((error: unknown) => {
            const { code, message, problems } = BrokerError.from(error);
            return { code, message, problems };
          });
        });
        // The reason of an entry is for auditors only.
        const facts = entries.map(({ action, outcome }) => ({ action, outcome }));
        return JSON.parse(JSON.stringify({ failure, facts }).replaceAll(name, 'NAME')) as unknown;
      };
      const answer = await seen('taken');
      expect(answer).toMatchObject({ failure: { code: 'ERR_DENIED' } });
      for (const free of ['freed', 'none', 'kv.teams', 'kv'])
        expect(await seen(free)).toEqual(answer);
      expect(broker.parts.catalog.find('policy', 'taken')?.version).toBe(1);
    },
  );

  it('keep a name that an unscoped editor gave them', async () => {
    await apply('policy', 'theirs', policy('theirs', ['kv/team/**']));
    const ifAny = { by: scoped, precondition: { ifMatch: '*' } };
    const next = policy('theirs', ['kv/team/x']);
    expect(await codeOf(apply('policy', 'theirs', next, ifAny))).toBe('no error');
  });
});
