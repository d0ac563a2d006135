import { describe, expect, it } from '@jest/globals';
import { AgentLog } from '../../../../src/delivery/agent/agent-log.ts';
import { Sensitive } from '../../../../src/domain/secrets/sensitive.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

function logged(fields: Readonly<Record<string, unknown>>): string {
  let text = '';
  new AgentLog('info', new HandClock(), (line) => (text += line)).warn(fields, 'it happened');
  return text;
}

describe("the agent's log", () => {
  it('is one JSON object a line, with event and time', () => {
    expect(JSON.parse(logged({ names: ['db'], count: 2 }))).toEqual({
      level: 'warn',
      time: '2026-01-01T00:00:00.000Z',
      msg: 'it happened',
      names: ['db'],
      count: 2,
    });
  });

  it('prints nothing of an object, whatever it is', () => {
    const secret = 'canary-9e1f';
    const error = new Error(secret, { cause: { secret } });
    const value = new Sensitive({ password: secret });
    const text = logged({
      error,
      value,
      data: { secret },
      list: [{ secret }],
      map: new Map([[1, secret]]),
    });
    expect(text).not.toContain(secret);
    expect(JSON.parse(text)).toMatchObject({ error: 'Error', data: '[object]', list: ['…'] });
  });

  it('leaves out lines below its level', () => {
    let text = '';
    new AgentLog('warn', new HandClock(), (line) => (text += line)).info({}, 'hidden');
    expect(text).toBe('');
  });
});
