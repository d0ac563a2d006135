import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type * as z from 'zod';
import { parseCommand } from '../../../../src/delivery/agent/command-line.ts';
import { VARIABLES } from '../../../../src/delivery/agent/environment.ts';
import { loadSettings } from '../../../../src/delivery/agent/load-settings.ts';
import { checkSettings, settingsSchema } from '../../../../src/delivery/settings/settings.ts';
import { optionsOf } from '../../../kit/pages/schema-settings.ts';

const MINIMAL = {
  broker: { url: 'https://quaymaster.test:8200' },
  cluster: 'prod-eu',
  secrets: [{ path: 'payments/db', file: 'db.json' }],
};
const CANARY = 'canary-5b1d0f';

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-agent-settings-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true });
});

async function file(text: string): Promise<string> {
  const path = join(directory, `${Math.random().toString(36).slice(2)}.yaml`);
  await writeFile(path, text);
  return path;
}

async function problemsOf(text: string): Promise<string> {
  const failure = await loadSettings(await file(text), {}).catch((error: unknown) => error);
  expect(failure).toMatchObject({ name: 'ConfigError', exitCode: 2 });
  return (failure as Error).message;
}

describe('the settings of the agent', () => {
  it('need a broker, a cluster and a secret; the others have defaults', () => {
    expect(checkSettings(MINIMAL, 'test')).toMatchObject({
      broker: { sealed: false },
      tokenFile: '/var/run/secrets/quaymaster/token',
      secrets: [{ path: 'payments/db', format: 'json', mode: 0o400, optional: false }],
      debounce: 1_000,
      acknowledge: { after: 'written', timeout: 30_000 },
      exec: { onChange: 'restart', stopSignal: 'SIGTERM', stopAfter: 30_000 },
      whenUnreachable: 'keep',
      endSessionOnExit: true,
    });
  });

  it('name the variables and the file if there is no configuration', async () => {
    await expect(loadSettings(undefined, {})).rejects.toThrow(
      /no configuration[^]*agent\.yaml does not exist[^]*set QUAYMASTER_URL, QUAYMASTER_CLUSTER and QUAYMASTER_SECRETS/,
    );
    const partly = loadSettings(undefined, { QUAYMASTER_URL: 'https://b.test' });
    await expect(partly).rejects.toThrow('/cluster: is missing');
  });

  it('report every problem with its place', async () => {
    const text = await problemsOf(
      [
        'broker: { url: https://b.test, tokn: x }',
        'cluster: Prod',
        'secrets: [{ path: a//b }, { path: x/db }, { path: y/db }]',
        'debounce: 5',
        'whenUnreachable: panic',
        'onChange: [{ signal: SIGHUP }, { command: [a], http: { url: http://localhost } }]',
        'acknowledge: { after: command }',
      ].join('\n'),
    );
    for (const line of [
      '/broker: unknown key "tokn"',
      '/cluster: 1 to 63 of',
      '/secrets/0/path: 1 to 16 segments',
      '/debounce: must be of type string',
      '/whenUnreachable: must be one of: keep, remove, fail',
      '/onChange/0: signal needs one of pidFile and process',
      '/onChange/1: needs one of signal, command and http',
      '/acknowledge: after: command needs command',
    ]) {
      expect(text).toContain(line);
    }
  });

  it('refuse waits that a timer cannot count', async () => {
    const text = await problemsOf(
      [
        'broker: { url: https://b.test }',
        'cluster: c1',
        'secrets: [{ path: x/db, credential: { ttl: 30d } }]',
        'exec: { stopAfter: 30d }',
        'onChange: [{ command: [a], timeout: 8d }]',
      ].join('\n'),
    );
    expect(text).toContain('/exec/stopAfter: at most 7d');
    expect(text).toContain('/onChange/0/timeout: at most 7d');
    expect(text).not.toContain('ttl');
    expect(() => parseCommand(['--once', '--timeout', '50d'])).toThrow(/at most 7d/);
  });

  it('refuse two secrets with one name, and unknown secrets for the child', async () => {
    const text = await problemsOf(
      [
        'broker: { url: https://b.test }',
        'cluster: c1',
        'secrets: [{ path: x/db }, { path: y/db }]',
        'exec: { environment: { A: { secret: missing, key: k } } }',
      ].join('\n'),
    );
    expect(text).toContain('/secrets/1/name: another secret has the name db too');
    expect(text).toContain('/exec/environment/A/secret: no secret has the name missing');
  });

  it('never repeat a value in the wrong place', async () => {
    const texts = [
      `broker: { url: "${CANARY} is not a url" }\ncluster: ["${CANARY}"]`,
      `broker: "${CANARY}\n  - x: [`,
      `"${CANARY}"`,
      `a: &a ["${CANARY}"]\na: 2`,
    ];
    for (const text of texts) expect(await problemsOf(text)).not.toContain(CANARY);
  });

  it('name the line that is not YAML', async () => {
    expect(await problemsOf('broker:\n  url: https://b.test\ncluster: [\n')).toMatch(/line \d/);
  });

  it('come from the environment if there is no file', async () => {
    const settings = await loadSettings(undefined, {
      QUAYMASTER_URL: 'https://b.test',
      QUAYMASTER_CLUSTER: 'c1',
      QUAYMASTER_SECRETS: 'payments/db=db.json:json, payments/a=b=api:files,payments/key',
      QUAYMASTER_HEALTH_PORT: '8301',
      QUAYMASTER_SEALED: 'true',
    });
    expect(settings).toMatchObject({
      broker: { url: 'https://b.test', sealed: true },
      health: { port: 8301 },
      secrets: [
        { path: 'payments/db', file: 'db.json', format: 'json' },
        { path: 'payments/a=b', file: 'api', format: 'files' },
        { path: 'payments/key' },
      ],
    });
  });

  it("are overridden by the environment, but not by Kubernetes' Service variables", async () => {
    const path = await file(JSON.stringify({ ...MINIMAL, health: { port: 8299 } }));
    const settings = await loadSettings(path, {
      QUAYMASTER_CLUSTER: 'c2',
      QUAYMASTER_HEALTH_PORT: 'tcp://10.0.0.9:8210',
      QUAYMASTER_SERVICE_HOST: '10.0.0.9',
    });
    expect(settings).toMatchObject({ cluster: 'c2', health: { port: 8299 } });
  });

  it('refuse a process in which certificates are not verified', async () => {
    const environment = { NODE_TLS_REJECT_UNAUTHORIZED: '0' };
    await expect(loadSettings(await file('{}'), environment)).rejects.toThrow(/verified/);
  });

  it('have an environment variable for every single value', () => {
    const lists =
      /\[\]|<name>|^(?:secrets|templates|onChange|acknowledge\.(?!timeout)|exec\.command)/;
    const places = optionsOf(settingsSchema as unknown as z.ZodType)
      .map(({ place }) => place)
      .filter((place) => !lists.test(place));
    expect([...VARIABLES.values()].map(([place]) => place).sort()).toEqual(places.sort());
  });
});
