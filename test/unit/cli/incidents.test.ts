import { describe, expect, it } from '@jest/globals';
import { runLeaseRevoke } from '../../../src/cli/verbs/leases.ts';
import { runQuarantineAdd } from '../../../src/cli/verbs/incidents.ts';
import { runSeal } from '../../../src/cli/verbs/incidents.ts';
import { runSessionEnd } from '../../../src/cli/verbs/incidents.ts';
import { cliContext } from '../../kit/cli-context.ts';
import { ScriptedBroker } from '../../kit/scripted-api.ts';

const WORKLOAD = 'k8s://c1/prod/api';
const QUARANTINE = {
  ...{ id: 'qua_1', kind: 'workload', subject: WORKLOAD, reason: 'x', createdBy: 'eve' },
  createdAt: '2026-01-05T10:00:00Z',
};

function scripted(revoked = { revoked: 1, revoking: 2 }, sessions = 1) {
  const broker = new ScriptedBroker({
    revokeLeases: () => revoked,
    endSessions: () => ({ sessions, revoked: 0, revoking: 0, streams: 0 }),
    createQuarantine: ({ body }) => ({
      quarantine: { ...QUARANTINE, ...(body as object) },
      ended: { sessions: 1, revoked: 3, revoking: 0, streams: 2 },
    }),
    readLease: () => ({ id: 'lea_1', workload: WORKLOAD }),
    listLeases: () => ({ items: [{ workload: WORKLOAD }] }),
    seal: () => ({ sealed: true }),
  });
  return { broker, context: cliContext({ broker }) };
}

describe('lease revoke', () => {
  it('reports revoked leases, pending revocations, and that the workload can log in again', async () => {
    const { context } = scripted();
    const call = { args: [], options: { workload: WORKLOAD, yes: true } };
    await runLeaseRevoke(context, call);
    expect(context.out()).toBe(
      'revoked 1 lease; 2 credentials are being revoked at the backend (follow with: quaymaster revocation ls)\n',
    );
    expect(context.err()).toContain('does not stop the workload from logging in again');
    expect(context.err()).toContain('--quarantine 1h');
  });

  it('fails if no lease matches, and names the selection', async () => {
    const { context } = scripted({ revoked: 0, revoking: 0 });
    const call = { args: [], options: { workload: WORKLOAD, yes: true } };
    await expect(runLeaseRevoke(context, call)).rejects.toMatchObject({
      exitCode: 4,
      message: `no live lease matches workload ${WORKLOAD}; nothing was revoked`,
    });
  });

  it.each([
    ['an id', ['lea_1'], {}, { kind: 'workload', workload: WORKLOAD }],
    ['a workload', [], { workload: WORKLOAD }, { kind: 'workload', workload: WORKLOAD }],
    ['a pod', [], { pod: 'uid-1' }, { kind: 'pod', cluster: 'c1', pod: 'uid-1' }],
  ])('by %s quarantines the holder first with --quarantine', async (_what, args, by, scope) => {
    const { broker, context } = scripted({ revoked: 0, revoking: 0 });
    const options = { ...by, quarantine: '1h', comment: 'INC-7', yes: true };
    await runLeaseRevoke(context, { args, options });
    const changes = broker.asked.filter(({ body }) => body !== undefined);
    expect(changes).toMatchObject([
      { id: 'createQuarantine', body: { ...scope, reason: 'INC-7', duration: '1h' } },
      { id: 'revokeLeases' },
    ]);
    expect(context.out()).toContain(
      'ended 1 session, closed 2 event streams of this replica, revoked 3 leases',
    );
  });

  it.each([[{ path: 'a/b' }], [{ mount: 'm' }]])(
    'by %j refuses --quarantine, and sends nothing',
    async (by) => {
      const { broker, context } = scripted();
      const options = { ...by, quarantine: '1h', yes: true };
      await expect(runLeaseRevoke(context, { args: [], options })).rejects.toThrow('--quarantine');
      expect(broker.asked).toEqual([]);
    },
  );
});

describe('session end', () => {
  it('fails if no session matches', async () => {
    const { context } = scripted(undefined, 0);
    const call = { args: ['ses_1'], options: {} };
    await expect(runSessionEnd(context, call)).rejects.toMatchObject({
      exitCode: 4,
      message: 'no session matches id ses_1; nothing was ended',
    });
  });

  it.each([
    [[], {}],
    [['ses_1'], { workload: WORKLOAD }],
    [[], { pod: 'uid-1' }],
    [[], { cluster: 'c1', source: '10.0.0.0/8' }],
  ])('is refused when the selection is not exactly one: %j %j', async (args, options) => {
    const { broker, context } = scripted();
    await expect(runSessionEnd(context, { args, options })).rejects.toThrow();
    expect(broker.asked).toEqual([]);
  });
});

describe('quarantine add and seal', () => {
  it('need a confirmation before they send anything', async () => {
    const { broker, context } = scripted();
    const options = { workload: WORKLOAD, reason: 'x' };
    await expect(runQuarantineAdd(context, { args: [], options })).rejects.toThrow('--yes');
    const sealing = runSeal(context, { args: [], options: { reason: 'x' } });
    await expect(sealing).rejects.toThrow('--yes');
    expect(broker.asked).toEqual([]);
    await runSeal(context, { args: [], options: { reason: 'x', yes: true } });
    expect(context.out()).toBe('sealed; restart each replica to unseal it\n');
  });

  it('reports the end of the quarantine, and what was ended', async () => {
    const { context } = scripted();
    const options = { workload: WORKLOAD, reason: 'x', yes: true };
    await runQuarantineAdd(context, { args: [], options });
    expect(context.out()).toBe(
      [
        `quarantined workload ${WORKLOAD} until it is lifted: qua_1`,
        'ended 1 session, closed 2 event streams of this replica, revoked 3 leases\n',
      ].join('\n'),
    );
  });
});
