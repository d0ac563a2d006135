import { describe, expect, it } from '@jest/globals';
import { BrokerClient, UnreachableError } from '../../../../src/client/index.ts';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import { fields, table } from '../../../../src/cli/output/table.ts';
import { UsageError } from '../../../../src/cli/kernel/errors.ts';
import { refusal } from '../../../kit/cli/scripted-api.ts';

describe('a failure', () => {
  it.each([
    [400, 'ERR_BODY_INVALID', 1],
    [401, 'ERR_UNAUTHENTICATED', 3],
    [403, 'ERR_DENIED', 3],
    [404, 'ERR_NOT_FOUND', 4],
    [409, 'ERR_CONFLICT', 6],
    [412, 'ERR_VERSION_CONFLICT', 6],
    [428, 'ERR_PRECONDITION_REQUIRED', 6],
    [429, 'ERR_RATE_LIMITED', 5],
    [500, 'ERR_INTERNAL', 1],
    [503, 'ERR_SEALED', 5],
    [504, 'ERR_PROVIDER_TIMEOUT', 5],
  ])('exits, with the answer %i %s, with %i', (status, code, exitCode) => {
    const failure = failureOf(refusal(status, code));
    expect(failure).toMatchObject({ exitCode, json: { code, status, requestId: 'req_refused' } });
    expect(failure.text).toContain('request req_refused');
  });

  it('names the clock and the proxy after a refused login of a person, and not the pod', () => {
    const refused = refusal(401, 'ERR_TOKEN_INVALID');
    expect(failureOf(refused).text).toContain('a running pod');
    const { text } = failureOf(Object.assign(refused, { operation: 'finishPersonLogin' }));
    expect(text).toContain('quaymaster doctor');
    expect(text).not.toContain('pod');
  });

  it('names the command after a demand for a recent login', () => {
    expect(failureOf(refusal(401, 'ERR_STEP_UP_REQUIRED')).text).toContain('login --step-up');
  });

  it('exits with 5 without an answer, and with 64 for an error of the caller', () => {
    expect(failureOf(new UnreachableError('tls', 'no')).exitCode).toBe(5);
    const problem = { file: 'a.yaml', line: 3, column: 5, pointer: '/x', message: 'is odd' };
    expect(failureOf(new UsageError('no', [problem]))).toMatchObject({
      exitCode: 64,
      text: 'no\n  a.yaml:3:5: /x is odd',
    });
  });

  it.each([
    ['tls', '--ca or QUAYMASTER_CA_FILE'],
    ['no_connection', 'check that the broker runs'],
    ['not_ours', 'its URL is right'],
  ] as const)('gives a remedy without an answer (%s)', (reason, advice) => {
    const { text } = failureOf(new UnreachableError(reason, 'https://x: WORD'));
    expect(text).toMatch(/^no response: https:\/\/x: WORD\n {2}\S/);
    expect(text).toContain(advice);
  });

  it('names the command that creates a token if the token is unknown', () => {
    const { text } = failureOf(refusal(401, 'ERR_UNAUTHENTICATED'));
    expect(text).toContain('quaymaster operator token create');
  });

  it('is an error of the caller if the call cannot be sent, and does not repeat the value', async () => {
    const client = new BrokerClient({ url: 'http://127.0.0.1:9' });
    const failure = await client
      .call('readSecret', { path: { path: '/hunter2' } })
      .catch(failureOf);
    expect(failure).toMatchObject({
      exitCode: 64,
      text: 'the path is missing or invalid; a path has no slash at its beginning and end, and its parts have letters of a-z, digits and . _ + = @ -',
    });
  });

  it('shows its type only, not its message, if it is unexpected', () => {
    expect(failureOf(new RangeError('hunter2')).text).toBe('internal error (RangeError)');
  });
});

describe('a table', () => {
  it('is aligned, and one row stays one line', () => {
    expect(
      table(
        ['a', 'long'],
        [
          ['1\n2', undefined],
          [['x', 'y'], true],
        ],
      ),
    ).toBe('A      LONG\n1\\n2   -\nx, y   yes');
    expect(
      fields([
        ['a', 1],
        ['none', undefined],
        ['bc', '\u202ex'],
      ]),
    ).toBe('a    1\nbc   \\u{202e}x');
  });
});
