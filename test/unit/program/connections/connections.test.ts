import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OpenedConnections } from '../../../../src/program/connections/connections.ts';
import type { Config } from '../../../../src/program/config/schema.ts';
import { checkConfig } from '../../../../src/program/config/load.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const AWS = { region: 'eu-central-1', locators: ['**'], prefixes: ['aws'] };

describe('connections of the configuration file', () => {
  let directory: string;
  let opened: OpenedConnections;
  /** Opens the connections, with other settings of `bao`. */
  let openWith: (more: object) => Promise<OpenedConnections>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-connections-'));
    const tokenFile = join(directory, 'token');
    await writeFile(tokenFile, 's.token\n', { mode: 0o600 });
    const configOf = (more: object): Config =>
      checkConfig(
        {
          store: { type: 'sqlite', path: join(directory, 'store', 'store.sqlite') },
          kek: { type: 'local-file', path: join(directory, 'kek.key') },
          audit: {
            origin: 'quaymaster.test/connections',
            logKeyFile: join(directory, 'log.key'),
            checkpointFile: join(directory, 'checkpoint'),
          },
          connections: {
            bao: {
              type: 'vault',
              address: 'http://127.0.0.1:9',
              auth: { method: 'token', tokenFile },
              locators: ['database/**'],
              ...more,
            },
            secrets: { type: 'aws-secrets-manager', ...AWS },
            iam: { type: 'aws-iam', ...AWS },
          },
        },
        'test',
      );
    const deps = { clock: new HandClock(1_760_000_000_000) };
    opened = await OpenedConnections.open(configOf({}), deps);
    openWith = (more) => OpenedConnections.open(configOf(more), deps);
  });
  afterAll(async () => {
    await opened.close();
    await rm(directory, { recursive: true });
  });

  it.each([
    ['bao', 'static-role', { role: 'app' }, ['database/static-roles/app'], ['**']],
    ['secrets', 'own-rotation', { name: 'prod/db' }, ['prod/db'], ['aws']],
    ['iam', 'access-keys', { username: 'app@mail' }, ['users/app%40mail'], ['aws']],
  ])(
    '%s is a rotation target too, within its bounds',
    (name, strategy, options, places, within) => {
      const bound = opened.targets.find(({ connection }) => connection.name === name);
      const target = bound?.connection.target(strategy, options);
      expect(target?.locators).toEqual(places);
      expect(bound?.prefixes).toEqual(within);
      expect(() => bound?.connection.target(strategy, { ...options, other: 1 })).toThrow(
        'not valid',
      );
      expect(() => bound?.connection.target('__proto__', options)).toThrow('not valid');
    },
  );

  it('are named in the error if they cannot be opened', async () => {
    const caFile = join(directory, 'absent.pem');
    await expect(openWith({ address: 'https://127.0.0.1:9', caFile })).rejects.toThrow(
      `connection "bao": the CA file ${caFile} of a Vault connection cannot be read`,
    );
  });

  it('are providers as well', () => {
    expect(opened.providers.map(({ connection }) => connection.kind).sort()).toEqual([
      'aws-iam',
      'aws-secrets-manager',
      'vault',
    ]);
  });
});
