import { describe, expect, it } from '@jest/globals';
import { runApprove, runDismiss } from '../../../../src/cli/verbs/alerts.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

function waiting(id: string, source: string, count: number): object {
  const response = { action: 'quarantine', scope: 'pod', rotate: 'none' };
  return { id, source, count, response, rule: 'shell', suspensions: [`qua_${id}`] };
}

function flood() {
  const broker = new ScriptedBroker({
    listAlerts: () => ({
      items: [waiting('a', 'falco', 9), waiting('b', 'falco', 1), waiting('c', 'sysdig', 1)],
    }),
    approveAlert: () => ({ state: 'responding' }),
    dismissAlert: () => ({ state: 'dismissed' }),
  });
  return { broker, context: cliContext({ broker }) };
}

describe('alert approve --all', () => {
  it('begins the responses of one source, after it showed what waits', async () => {
    const { broker, context } = flood();
    const options = { all: true, source: 'falco', reason: 'INC-7', yes: true };
    await runApprove(context, { args: [], options });
    const approved = broker.asked.filter(({ id }) => id === 'approveAlert');
    expect(approved.map(({ path, body }) => [path, body])).toEqual([
      [{ id: 'a' }, { reason: 'INC-7' }],
      [{ id: 'b' }, { reason: 'INC-7' }],
    ]);
    expect(context.out()).toContain('began 2 responses for 2 suspended scopes');
  });

  it('needs the id of an alert or --all, not both', async () => {
    const { context } = flood();
    const both = { args: ['a'], options: { all: true } };
    await expect(async () => runApprove(context, both)).rejects.toThrow('or --all');
    await expect(async () => runApprove(context, { args: [], options: {} })).rejects.toThrow(
      'or --all',
    );
  });
});

describe('alert dismiss --all', () => {
  it('ends what waits of all sources', async () => {
    const { broker, context } = flood();
    await runDismiss(context, { args: [], options: { all: true, yes: true } });
    expect(broker.asked.filter(({ id }) => id === 'dismissAlert')).toHaveLength(3);
    expect(context.out()).toContain('dismissed 3 responses for 3 suspended scopes');
  });
});
