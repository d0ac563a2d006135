import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { explainDecision } from '../../../../src/broker/decisions/policies.ts';
import { createQuarantine } from '../../../../src/broker/sessions/quarantines.ts';
import { readSecret } from '../../../../src/broker/secrets/read-secrets.ts';
import { revokeLeases } from '../../../../src/broker/leases/revoke-leases.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';

let broker: TestBroker;
let admin: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
});
afterEach(async () => broker.close());

describe('explanations of blocked callers', () => {
  const POD = { name: 'api-1', uid: 'pod-1' };
  const ask = (admin: LiveOperator, more: object = {}) =>
    explainDecision(broker.parts, broker.call(), admin, {
      workload: {
        cluster: 'c1',
        namespace: 'pay',
        serviceAccount: 'api',
        serviceAccountUid: 'u',
        pod: POD,
      },
      capability: 'read',
      path: 'kv/db',
      sourceAddress: '10.0.0.1',
      ...more,
    });

  it('show quarantines, with id and end, beside the decision of the policies', async () => {
    expect(await ask(admin)).toMatchObject({ blocks: [], revoked: [] });
    const scopes = [
      { kind: 'workload', subject: 'k8s://c1/pay/api' },
      { kind: 'pod', subject: 'c1/pod-1' },
    ] as const;
    const made: string[] = [];
    for (const scope of scopes) {
      const request = { scope, reason: 'x', seconds: 60 };
      const { quarantine } = await createQuarantine(broker.parts, broker.call(), admin, request);
      made.push(quarantine.id);
    }
    const answer = await ask(admin);
    expect(answer.decision.effect).toBe('allow');
    expect(answer.blocks).toMatchObject(
      scopes.map((scope, n) => ({ by: 'quarantine', quarantine: { ...scope, id: made[n] } })),
    );
    const end = new Date(broker.clock.now() + 60_000).toISOString();
    expect(answer.lines).toContain(
      `blocked: the workload k8s://c1/pay/api is in quarantine until ${end} (${made[0]})`,
    );
    expect((await ask(admin, { at: broker.clock.now() + 60_000 })).blocks).toEqual([]);
  });

  it('name the cluster and the mount that do not exist', async () => {
    expect((await ask(admin)).lines.join('\n')).not.toContain('absent');
    const workload = { cluster: 'c2', namespace: 'pay', serviceAccount: 'api' };
    const { lines } = await ask(admin, {
      workload: { ...workload, serviceAccountUid: '' },
      path: 'other/db',
    });
    expect(lines).toContain(
      'absent: no cluster "c2" is registered, so its workloads cannot log in',
    );
    expect(lines).toContain('absent: no mount covers the path "other/db"');
  });

  it('show the revoked version, the session and the pod', async () => {
    broker.backend.secrets.set('kv/db', { data: { v: '1' }, version: '7' });
    const live = await broker.logIn();
    await readSecret(broker.parts, broker.call(), live, { path: 'kv/db' });
    const selector = { path: 'kv/db' };
    await revokeLeases(broker.parts, broker.call(), admin, { selector });
    const session = live.session.id;
    for (const more of [{}, { session }]) {
      const { revoked, blocks } = await ask(admin, more);
      expect(revoked).toMatchObject([{ session, version: '7' }]);
      expect(blocks).toEqual([]);
    }
    expect((await ask(admin, { session: 'ses_none' })).blocks).toEqual([
      { by: 'session', session: 'ses_none' },
    ]);
    broker.watches.get('c1')!.pods.set('pod-1', { state: 'ended', labels: new Map() });
    expect((await ask(admin)).blocks).toEqual([{ by: 'pod', state: 'ended' }]);
  });
});
