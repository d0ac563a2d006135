import { describe, expect, it } from '@jest/globals';
import { ApiError } from '../../../../src/client/index.ts';
import { runApprove, runDismiss } from '../../../../src/cli/verbs/alerts.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

function waiting(id: string, source: string, count: number): object {
  const response = { action: 'quarantine', scope: 'pod', rotate: 'none' };
  return { id, source, count, response, rule: 'shell', suspensions: [`qua_${id}`] };
}

const DECIDED = {
  status: 409,
  type: 'urn:quaymaster:error:ERR_CONFLICT',
  title: 'Conflict',
  code: 'ERR_CONFLICT',
  requestId: 'req_1',
} as const;

function flood(decided?: string) {
  const broker = new ScriptedBroker({
    listAlerts: () => ({
      items: [waiting('a', 'falco', 9), waiting('b', 'falco', 1), waiting('c', 'sysdig', 1)],
    }),
    approveAlert: ({ path }) => {
      if ((path as { id: string }).id === decided)
        throw new ApiError({ id: 'approveAlert', path: '' }, DECIDED);
      return { state: 'responding' };
    },
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

  it('continues if another operator decides one of them meanwhile, and says so', async () => {
    const { context } = flood('a');
    await runApprove(context, { args: [], options: { all: true, yes: true } });
    expect(context.out()).toContain(
      'began 2 responses for 2 suspended scopes; another operator decided 1 meanwhile',
    );
  });

  it('begins the responses that it names, or none if one of them does not wait', async () => {
    const { broker, context } = flood();
    await runApprove(context, { args: ['a', 'c'], options: { yes: true } });
    const absent = runApprove(context, { args: ['b', 'x'], options: { yes: true } });
    await expect(absent).rejects.toThrow('so none was decided: x');
    const approved = broker.asked.filter(({ id }) => id === 'approveAlert');
    expect(approved.map(({ path }) => path)).toEqual([{ id: 'a' }, { id: 'c' }]);
  });

  it('needs the ids of alerts or --all, not both', async () => {
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
