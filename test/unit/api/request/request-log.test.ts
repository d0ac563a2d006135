import { describe, expect, it } from '@jest/globals';
import { RequestLog } from '../../../../src/api/request/request-log.ts';
import { BrokerError, type ErrorCode } from '../../../../src/domain/errors.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

type Line = Readonly<Record<string, unknown>>;
const BURST = 200;

function loggedRequests(): {
  readonly lines: Line[];
  readonly clock: HandClock;
  readonly refuse: (error: BrokerError) => void;
  readonly fail: (code: ErrorCode, times?: number) => void;
} {
  const lines: Line[] = [];
  const clock = new HandClock();
  const at =
    (level: string) =>
    (fields: Line, msg: string): void =>
      void lines.push({ level, msg, ...fields });
  const log = new RequestLog({ info: at('info'), warn: at('warn'), error: at('error') }, clock);
  const request = {
    requestId: 'req_1',
    tally: { operation: 'readSecret' },
    startedAt: clock.monotonic(),
  };
  const refuse = (error: BrokerError): void => log.failed(request, error);
  const fail = (code: ErrorCode, times = 1): void => {
    for (let time = 0; time < times; time += 1) refuse(new BrokerError(code));
  };
  return { lines, clock, refuse, fail };
}

describe('the process log of failed requests', () => {
  it.each([
    'ERR_BUSY',
    'ERR_SUSPENDED',
    'ERR_POSTURE_PENDING',
    'ERR_RATE_LIMITED',
    'ERR_DENIED',
  ] as const)('has %s as a refusal, without a stack', (code) => {
    const { lines, fail } = loggedRequests();
    fail(code);
    expect(lines).toEqual([
      expect.objectContaining({ level: 'info', msg: 'a request was refused', code }),
    ]);
    expect(lines[0]).not.toHaveProperty('err');
  });

  it.each([
    'ERR_INTERNAL',
    'ERR_SEALED',
    'ERR_HELD',
    'ERR_STORE_UNAVAILABLE',
    'ERR_PROVIDER_FAILED',
  ] as const)('has %s as a fault, with its error', (code) => {
    const { lines, fail } = loggedRequests();
    fail(code);
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'error',
        msg: 'a request failed',
        code,
        err: expect.any(BrokerError),
      }),
    ]);
  });

  it.each(['ERR_BUSY', 'ERR_SEALED'] as const)(
    'leaves out lines beyond the limit for %s, and says later how many',
    (code) => {
      const { lines, clock, fail } = loggedRequests();
      fail(code, BURST + 1_000);
      expect(lines).toHaveLength(BURST);
      clock.advance(1_000);
      fail(code, 2);
      expect(lines.slice(BURST).map(({ leftOut }) => leftOut)).toEqual([1_000, undefined]);
    },
  );

  it('names the reason of a refusal, and the detail only if the broker is busy', () => {
    const { lines, refuse } = loggedRequests();
    refuse(new BrokerError('ERR_BUSY', 'the queue is full', { reason: 'task_queue' }));
    refuse(new BrokerError('ERR_PATH_INVALID', 'words of the sender', { reason: 'path' }));
    expect(lines).toEqual([
      expect.objectContaining({
        code: 'ERR_BUSY',
        reason: 'task_queue',
        detail: 'the queue is full',
      }),
      expect.objectContaining({ reason: 'path' }),
    ]);
    expect(lines[1]).not.toHaveProperty('detail');
  });

  it('leaves out no fault because of refusals', () => {
    const { lines, fail } = loggedRequests();
    fail('ERR_BUSY', BURST + 1);
    fail('ERR_INTERNAL');
    expect(lines.at(-1)).toMatchObject({ level: 'error', code: 'ERR_INTERNAL' });
  });
});
