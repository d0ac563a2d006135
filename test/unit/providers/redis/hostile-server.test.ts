import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../../src/process/clock.ts';
import { Sensitive } from '../../../../src/domain/secrets/sensitive.ts';
import { redisConnectionSchema } from '../../../../src/providers/redis/config.ts';
import { RedisServer } from '../../../../src/providers/redis/client.ts';
import { wholeText } from '../../../contract/rotation-target.contract.ts';
import { contextOf, failureOf } from '../../../contract/secret-provider.contract.ts';
import { startHostileServer, type HostileServer } from '../../../kit/fakes/hostile-server.ts';
import { PATIENT } from '../../../kit/providers/longest-timeout.ts';

const PASSWORD = 'canary-password-of-the-login';
const CONFIG = {
  type: 'redis',
  allowCleartextPassword: true,
  host: '127.0.0.1',
  username: 'admin',
  passwordFile: '/nowhere',
  locators: ['users/*'],
  limits: { ...PATIENT, maxRetries: 0 },
};

describe('a hostile Redis server (R05)', () => {
  let server: HostileServer | undefined;
  afterEach(() => server?.close());

  it.each([
    ['quotes the password in an error', `-WRONGPASS ${PASSWORD}\r\n`, 'ERR_PROVIDER_DENIED'],
    ['is busy', `-LOADING ${PASSWORD}\r\n`, 'ERR_PROVIDER_UNAVAILABLE'],
    ['speaks another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'ERR_PROVIDER_MALFORMED'],
  ])("causes one failure with the broker's own text if it %s", async (_case, answer, code) => {
    server = await startHostileServer((socket, count) => {
      if (count > 0) socket.write(answer);
    });
    const redis = new RedisServer(redisConnectionSchema.parse({ ...CONFIG, port: server.port }), {
      clock: systemClock,
      connection: 'cache',
    });
    const login = { username: 'app', password: new Sensitive(PASSWORD) };
    const error = await failureOf(redis.logIn(login, contextOf()));
    expect(error.code).toBe(code);
    expect(wholeText(error)).not.toContain('canary');
  });

  it('gets no login without TLS, except on loopback where the configuration allows it (B11)', () => {
    const remote = { ...CONFIG, host: 'cache.example' };
    const refused = { ...CONFIG, allowCleartextPassword: false };
    const issueOf = (config: object) =>
      redisConnectionSchema.safeParse(config).error?.issues[0]?.message;
    expect(issueOf({ ...CONFIG, tls: 'off' })).toBeUndefined();
    expect(issueOf({ ...refused, tls: { caFile: '/ca.pem' } })).toBeUndefined();
    expect(issueOf(refused)).toMatch(/allowCleartextPassword: true/);
    expect(issueOf({ ...refused, tls: 'off' })).toMatch(/allowCleartextPassword: true/);
    expect(issueOf({ ...refused, host: 'cache.example', tls: 'off' })).toMatch(/is needed/);
    expect(issueOf(remote)).toMatch(/for a loopback address without TLS/);
    expect(issueOf({ ...CONFIG, tls: {} })).toMatch(/for a loopback address without TLS/);
  });
});
