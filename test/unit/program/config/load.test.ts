import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadConfig } from '../../../../src/program/config/load.ts';
import type { Config } from '../../../../src/program/config/schema.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';

const LEAST = `
store: { type: sqlite, path: /data/store.sqlite }
kek: { type: local-file, path: /keys/kek.key }
audit: { origin: quaymaster.test/unit, logKeyFile: /keys/log.key, checkpointFile: /keys/checkpoint }
`;

const AGE = 'age1cy0su9fwf3gf9mw868g5yut09p6nytfmmnktexz2ya5uqg9vl9sss4euqm';

const place = { directory: '' };

beforeAll(async () => {
  place.directory = await mkdtemp(join(tmpdir(), 'qm-config-'));
});

afterAll(async () => {
  await rm(place.directory, { recursive: true });
});

async function load(text: string, environment: NodeJS.ProcessEnv = {}): Promise<Config> {
  const path = join(place.directory, 'config.yaml');
  await writeFile(path, text);
  return loadConfig(path, environment);
}

async function refusal(loading: Promise<Config>): Promise<BrokerError> {
  const error = await loading.then(
    () => undefined,
    (cause: unknown) => cause,
  );
  if (!(error instanceof BrokerError)) throw new Error('nothing was refused', { cause: error });
  expect(error.code).toBe('ERR_CONFIG_INVALID');
  return error;
}

describe('a configuration file', () => {
  it('needs a store, a key and a log, and nothing else', async () => {
    expect(await load(LEAST)).toMatchObject({
      mode: 'production',
      listener: { host: '127.0.0.1', port: 8200 },
      connections: {},
    });
  });

  it('is refused with every problem, each at its place', async () => {
    const text = `${LEAST}listener: { port: 99999, host: 0.0.0.0 }\nlimits: { batchItems: 0 }\n`;
    const { problems, message } = await refusal(load(text));
    expect(problems?.map(({ pointer }) => pointer)).toEqual(
      expect.arrayContaining(['/listener/port', '/limits/batchItems']),
    );
    expect(message).toMatch(/\/listener\/port: [^]*\/limits\/batchItems: /);
  });

  it('is refused with an issuer of people whose URL is not https', async () => {
    const corp = "{ issuerUrl: 'http://login.test', clientId: q }";
    const { problems } = await refusal(load(`${LEAST}people: { issuers: { corp: ${corp} } }\n`));
    expect(problems).toMatchObject([
      {
        pointer: '/people/issuers/corp/issuerUrl',
        message: expect.stringContaining('must be a URL that begins with https://'),
      },
    ]);
  });

  it.each([
    ['/audit/checkpointFile', LEAST.replace('/keys/checkpoint', '/data/checkpoint')],
    ['/backup/directory', `${LEAST}backup: { directory: /data/backups, recipients: [${AGE}] }\n`],
    [
      '/audit/archive/to/path',
      LEAST.replace(
        '/keys/checkpoint }',
        '/keys/checkpoint, archive: { to: { type: directory, path: /data/archive } } }',
      ),
    ],
  ])('is refused with %s in the directory of the store', async (pointer, text) => {
    const { problems } = await refusal(load(text));
    expect(problems).toMatchObject([
      { pointer, message: expect.stringContaining("must lie outside the store's directory") },
    ]);
  });

  it.each([
    ['at the top', 'stores: {}\n', /unknown key "stores"; did you mean "store"\?/],
    ['inside a section', 'listener: { tlss: {} }\n', /unknown key "tlss"; did you mean "tls"\?/],
    [
      'inside a connection',
      'connections: { home: { type: kubernetes, inCluster: true, x: 1 } }\n',
      /./,
    ],
  ])('is refused for an unknown key %s', async (_, more, message) => {
    expect((await refusal(load(LEAST + more))).message).toMatch(message);
  });

  it.each([
    ['listener: { port: 70000 }\n', ':5:13: /listener/port: must be at most 65535'],
    ['listener:\n  prot: 1\n', ':6:3: /listener: unknown key "prot"; did you mean "port"?'],
    ['listner:\n  port: 1\n', ':5:1: /: unknown key "listner"; did you mean "listener"?'],
    ['log: { level: loud }\n', ':5:8: /log/level: must be one of: debug, info, warn, error'],
    ['cache: { maxBytes: much }\n', ':5:10: /cache/maxBytes: must be of type number'],
    ['backup: {}\n', ':5:1: /backup/directory: is missing'],
    ['log: [\nmode: x\n', ':6:1: is not valid YAML: bad indent, or a quote, [ or { before'],
    ['log: { level: "x }\n', ':6:1: is not valid YAML: bad indent, or a quote, [ or { before'],
    ['x: [*]\n', ':5:5: is not valid YAML: put quotes around a text that begins with * or &'],
  ])('is refused with file, line and column of %j', async (more, problem) => {
    const { message } = await refusal(load(LEAST + more));
    expect(message).toContain(`/config.yaml${problem}`);
    expect(message.split(problem)).toHaveLength(2);
  });

  it('is refused for a duplicate key', async () => {
    await refusal(load(`${LEAST}mode: production\nmode: development\n`));
  });

  it.each(['', '[]', 'text', ': : :', '- a\nb: c'])('is refused when it is %j', async (text) => {
    await refusal(load(text));
  });

  it('is refused when it is missing, by its name', async () => {
    const missing = loadConfig(join(place.directory, 'missing.yaml'), {});
    expect((await refusal(missing)).message).toMatch(/missing\.yaml cannot be read/);
  });

  it('does not serve plain HTTP to others by mistake', async () => {
    const { problems } = await refusal(load(`${LEAST}listener: { host: 0.0.0.0 }\n`));
    expect(problems?.[0]?.pointer).toBe('/listener/tls');
    const plaintext = `${LEAST}listener: { host: 0.0.0.0, plaintextBehindProxy: true }\n`;
    expect((await load(plaintext)).listener.plaintextBehindProxy).toBe(true);
  });

  it.each(['embedded', 'generated', 'Upper', '-dash', ''])(
    'cannot name a connection %j',
    async (name) => {
      const connections = JSON.stringify({ [name]: { type: 'kubernetes', inCluster: true } });
      await refusal(load(`${LEAST}connections: ${connections}\n`));
    },
  );

  it('does not treat a name of JavaScript itself as a setting', async () => {
    await refusal(load(`${LEAST}constructor: { prototype: {} }\n`));
    expect(({} as Record<string, unknown>)['prototype']).toBeUndefined();
  });
});

describe('the environment', () => {
  it('overrides the file, read as YAML', async () => {
    const config = await load(`${LEAST}listener: { port: 8300, maxConnections: 7 }\n`, {
      QUAYMASTER__listener__port: '8400',
      QUAYMASTER__listener__trustedProxies: '[10.0.0.0/8]',
      QUAYMASTER__log__level: 'warn',
    });
    expect(config.listener).toMatchObject({
      port: 8400,
      maxConnections: 7,
      trustedProxies: ['10.0.0.0/8'],
    });
    expect(config.log.level).toBe('warn');
  });

  it('is checked as strictly as the file', async () => {
    const { message } = await refusal(load(LEAST, { QUAYMASTER__listener__prot: '1' }));
    expect(message).toMatch(/unknown key "prot"/);
  });

  it('counts only with its prefix', async () => {
    const config = await load(LEAST, {
      PORT: '1',
      listener: '3',
      QUAYMASTER_PORT: 'tcp://10.0.0.1:8200',
      QUAYMASTER_METRICS_SERVICE_HOST: '10.0.0.1',
      QUAYMASTER_METRICS_PORT: 'tcp://10.0.0.1:9100',
      QUAYMASTER_METRICS_PORT_9100_TCP_PROTO: 'tcp',
    });
    expect(config.listener.port).toBe(8200);
  });

  it('is refused if a variable looks like a setting but sets nothing', async () => {
    const { message } = await refusal(load(LEAST, { QUAYMASTER_LISTENER_PORT: '1' }));
    expect(message).toContain('QUAYMASTER_LISTENER_PORT sets nothing');
    expect(message).toContain('QUAYMASTER__listener__port');
  });

  it.each([
    ['QUAYMASTER__listener__port', 'x', '/listener/port: must be of type number'],
    ['QUAYMASTER__listner__port', '1', '/: unknown key "listner"; did you mean "listener"?'],
    ['QUAYMASTER__log', '{ levle: info }', '/log: unknown key "levle"; did you mean "level"?'],
  ])('is named if its value is wrong: %s=%s', async (name, value, problem) => {
    const { message } = await refusal(load(LEAST, { [name]: value }));
    expect(message).toContain(`\n  ${name}: ${problem}`);
  });

  it('cannot reach a prototype', async () => {
    await load(LEAST, { QUAYMASTER____proto____polluted: 'yes' }).catch(() => undefined);
    await load(LEAST, { QUAYMASTER__listener____proto____polluted: 'yes' }).catch(() => undefined);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each([
    ['0', true],
    ['1', false],
  ])('is refused with NODE_TLS_REJECT_UNAUTHORIZED=%s: %s', async (value, isRefused) => {
    const loading = load(LEAST, { NODE_TLS_REJECT_UNAUTHORIZED: value });
    if (isRefused) expect((await refusal(loading)).message).toMatch(/caFile/);
    else expect((await loading).mode).toBe('production');
  });
});
