import { describe, expect, it } from '@jest/globals';
import { errorAnswer } from '../../../../src/api/answer/error-answer.ts';
import { BrokerError, ERRORS, type ErrorCode } from '../../../../src/domain/errors.ts';

const codes = Object.keys(ERRORS) as ErrorCode[];

const respond = (code: ErrorCode) =>
  errorAnswer(
    new BrokerError(code, 'detail-text', {
      cause: new Error('cause-text'),
      reason: 'reason-text',
      problems: [{ pointer: '/a', message: 'problem-text' }],
    }),
    'req_1',
  );

describe('an error response', () => {
  it.each(codes)('has the status and title of %s, and nothing of its cause or reason', (code) => {
    const { status, headers, body } = respond(code);
    expect(status).toBeGreaterThanOrEqual(400);
    expect(headers.slice(0, 2)).toEqual(['Content-Type', 'application/problem+json']);
    expect(JSON.parse(body)).toMatchObject({
      type: `urn:quaymaster:error:${code}`,
      title: ERRORS[code].title,
      status,
      code,
      requestId: 'req_1',
    });
    expect(body).not.toMatch(/cause-text|reason-text/);
  });

  it('has no detail if a detail would be an oracle', () => {
    for (const code of codes) {
      const { status, body } = respond(code);
      const isMute = [401, 403, 404, 500].includes(status);
      expect({ code, isMute: !body.includes('-text') }).toEqual({ code, isMute });
    }
  });

  it('has Retry-After if a retry can help', () => {
    const limited = new BrokerError('ERR_RATE_LIMITED', undefined, { retryAfterSeconds: 1.2 });
    expect(errorAnswer(limited, 'r').headers).toEqual(expect.arrayContaining(['Retry-After', '2']));
    expect(respond('ERR_STORE_UNAVAILABLE').headers).toContain('Retry-After');
    expect(respond('ERR_DENIED').headers).not.toContain('Retry-After');
    expect(respond('ERR_TOKEN_INVALID').headers).toEqual(
      expect.arrayContaining(['WWW-Authenticate', 'Bearer']),
    );
  });

  it('maps codes of one kind to their own status if HTTP has one', () => {
    expect(respond('ERR_PRECONDITION_REQUIRED').status).toBe(428);
    expect(respond('ERR_VERSION_CONFLICT').status).toBe(412);
    expect(respond('ERR_HEADERS_TOO_LARGE').status).toBe(431);
    expect(respond('ERR_BODY_TOO_LARGE').status).toBe(413);
  });
});
