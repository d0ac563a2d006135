import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ClusterEditor } from '../../../../src/broker/access/cluster-editor.ts';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';

let broker: TestBroker;
let admin: LiveOperator;
let editor: LiveOperator;
let responder: LiveOperator;
beforeAll(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  const own = { role: 'secret-editor', scope: ['app/team'] };
  editor = await broker.operator('editor', [own]);
  responder = await broker.operator('guard', [own, { role: 'responder' }]);
});
afterAll(() => broker.close());

function define(by: LiveOperator, name: string, body: object): Promise<void> {
  return broker.put(by, 'definition', `app/team/${name}`, body);
}

describe('a decoy of an editor without the role responder (RS22)', () => {
  it.each(['quarantine', 'revoke'])('is refused with the action %s', async (action) => {
    const refused = await define(editor, `lure-${action}`, { decoy: { action } }).catch(
      (error: unknown) => BrokerError.from(error),
    );
    expect(refused).toMatchObject({
      code: 'ERR_DENIED',
      reason: 'decoy_role',
      detail: expect.stringContaining(`"${action}" needs the role responder`),
    });
  });

  it('is refused if the role responder has a scope', async () => {
    const scoped = await broker.operator('scoped', [
      { role: 'secret-editor', scope: ['app/team'] },
      { role: 'responder', scope: ['app/team'] },
    ]);
    await expect(define(scoped, 'lure', { decoy: { action: 'revoke' } })).rejects.toMatchObject({
      code: 'ERR_DENIED',
    });
  });

  it('only raises an alert', async () => {
    await define(editor, 'plain', { decoy: { action: 'audit' } });
    await expect(
      define(editor, 'plain', { decoy: { action: 'quarantine' } }),
    ).rejects.toMatchObject({ code: 'ERR_DENIED' });
  });

  it('is refused in an object of a namespace', async () => {
    const facts = {
      cluster: 'c1',
      owner: 'kubernetes/c1/team/x',
      grants: [{ role: 'secret-editor' as const, scope: ['app/team'] }],
      policyPrefix: 'c1.team.',
    };
    const tenant = new ClusterEditor(facts, sha256Hex);
    await expect(
      define(tenant, 'object', { decoy: { action: 'quarantine' } }),
    ).rejects.toMatchObject({ code: 'ERR_DENIED', reason: 'decoy_role' });
    await define(tenant, 'object', { decoy: {} });
  });
});

describe('a decoy of a responder', () => {
  it('may cut off its readers, and stays when an editor changes something else', async () => {
    const decoy = { action: 'quarantine', scope: 'workload' };
    await define(responder, 'guarded', { decoy });
    await define(editor, 'guarded', { decoy, description: 'old backup' });
    await expect(
      define(editor, 'guarded', { decoy: { ...decoy, scope: 'pod' } }),
    ).rejects.toMatchObject({ code: 'ERR_DENIED' });
    await define(admin, 'guarded', { decoy: { ...decoy, scope: 'pod' } });
    await define(editor, 'guarded', {});
  });
});
