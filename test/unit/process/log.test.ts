import { Writable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { BrokerError } from '../../../src/domain/errors.ts';
import { createLog } from '../../../src/process/log.ts';
import type { Log } from '../../../src/ports/log.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

function written(write: (log: Log) => void): string {
  let text = '';
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  write(createLog({ level: 'info', clock: new HandClock(), destination }));
  return text;
}

describe('the log', () => {
  it('is one JSON object a line, with the time of the clock', () => {
    const text = written((log) => log.info({ requestId: 'req_1' }, 'something\nhappened'));
    expect(text.split('\n')).toHaveLength(2);
    expect(JSON.parse(text)).toEqual({
      level: 'info',
      time: '2026-01-01T00:00:00.000Z',
      requestId: 'req_1',
      msg: 'something\nhappened',
    });
  });

  it.each(['token', 'data', 'password', 'secret', 'authorization', 'value', 'key'])(
    'hides a field called %s, also one level down',
    (name) => {
      const text = written((log) =>
        log.warn({ [name]: 'canary', inner: { [name]: 'canary' } }, 'x'),
      );
      expect(text).not.toContain('canary');
    },
  );

  it('prints the stack of the same failure once an hour', () => {
    const clock = new HandClock();
    const lines: string[] = [];
    const destination = { write: (line: string) => void lines.push(line) };
    const log = createLog({ level: 'info', clock, destination });
    const fail = (n: number): Error => new Error(`call ${n} failed`);
    for (let n = 0; n < 3; n += 1) log.error({ err: fail(n) }, 'failed');
    log.error({ err: new Error('another place') }, 'failed');
    clock.advance(3_600_000);
    log.error({ err: fail(3) }, 'failed');
    const errors = lines.map((line) => (JSON.parse(line) as { err: Error }).err);
    expect(errors.map(({ message }) => message)).toContain('call 2 failed');
    const hasStack = errors.map(({ stack }) => stack !== undefined);
    expect(hasStack).toEqual([true, false, false, true, true]);
  });

  it("prints an error's name, code and message, and no other fields of a library's error", () => {
    const cause = Object.assign(new Error('refused'), {
      code: 'ECONNREFUSED',
      config: { headers: { 'X-Vault-Token': 'canary' } },
      response: { body: 'canary' },
    });
    const peer = { cluster: 'prod', connection: 'kube' };
    const err = new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { cause, reason: 'down' });
    // The name that came first is nearest to the failure.
    err.at(peer).at({ connection: 'other' });
    const text = written((log) => log.error({ err }, 'failed'));
    expect(text).not.toContain('canary');
    expect((JSON.parse(text) as { err: object }).err).toMatchObject({
      type: 'BrokerError',
      code: 'ERR_PROVIDER_UNAVAILABLE',
      reason: 'down',
      ...peer,
      cause: { message: 'refused', code: 'ECONNREFUSED' },
    });
  });

  it.each([
    `qms_${'a1'.repeat(24)}`,
    `qmo_${'Z9'.repeat(24)}`,
    'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl',
    'hvs.CAESIJ1234567890',
    'AKIAIOSFODNN7EXAMPLE',
  ])('hides the credential %s in a message of a library', (credential) => {
    const err = new Error(`GET /x?token=${credential} failed`);
    expect(written((log) => log.error({ err }, 'x'))).not.toContain(credential);
  });

  it('survives thrown values that are not errors, and endless chains of causes', () => {
    const loop = new Error('loop');
    loop.cause = loop;
    expect(written((log) => log.error({ err: loop }, 'x'))).toContain('loop');
    expect(written((log) => log.error({ err: 'canary' }, 'x'))).not.toContain('canary');
  });
});
