import { describe, expect, it } from '@jest/globals';
import { checkConfig } from '../../../../src/program/config/load.ts';
import type { BrokerError, Problem } from '../../../../src/domain/errors.ts';

const BASE = {
  store: { type: 'sqlite', path: '/var/lib/quaymaster/store.db' },
  kek: { type: 'local-file', path: '/var/lib/keys/kek' },
  audit: {
    origin: 'quaymaster.test/unit',
    logKeyFile: '/var/lib/keys/log.pem',
    checkpointFile: '/var/lib/keys/checkpoint',
  },
};

function problemsWith(connections: object): readonly Problem[] {
  try {
    checkConfig({ ...BASE, connections }, 'test');
    return [];
  } catch (error) {
    return (error as BrokerError).problems ?? [];
  }
}

describe('an invalid connection', () => {
  it('is reported with the problems of its own type only', () => {
    const vault = { type: 'vault', address: 'https://vault.example', locators: ['secret/**'] };
    expect(problemsWith({ vault })).toEqual([
      { pointer: '/connections/vault/auth', message: 'is missing' },
    ]);
    expect(problemsWith({ keys: { type: 'jwks' } })).not.toEqual([]);
  });

  it('is reported with the known types if its type is unknown', () => {
    const [problem, ...others] = problemsWith({ odd: { type: 'carrier-pigeon' } });
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ pointer: '/connections/odd/type' });
    expect(problem?.message).toMatch(/^must be one of: .*\bpostgres\b.*\bjwks\b/);
  });
});

describe('the places of the log key and of the checkpoint', () => {
  const keyId = '1234abcd-12ab-34cd-56ef-1234567890ab';
  const kms = { type: 'aws-kms', connection: 'prod', region: 'eu-central-1', keyId };
  const postgres = { type: 'postgres', connectionStringFile: '/etc/dsn' };
  const checkpoint = { type: 's3', bucket: 'checkpoints', region: 'eu-central-1' };
  const [origin, logKeyFile] = ['quaymaster.test/unit', '/keys/log.key'];

  function problemsOf(config: object): readonly Problem[] {
    try {
      checkConfig({ ...BASE, ...config }, 'test');
      return [];
    } catch (error) {
      return (error as BrokerError).problems ?? [];
    }
  }

  it('can be the store and a bucket, with a key in KMS and PostgreSQL', () => {
    const audit = { origin, logKey: 'store', checkpoint };
    expect(problemsOf({ kek: kms, store: postgres, audit })).toEqual([]);
  });

  it.each([
    ['neither', { audit: { origin } }, '/audit/logKeyFile', 'audit.logKey: store'],
    [
      'both log keys',
      { kek: kms, audit: { ...BASE.audit, logKey: 'store' } },
      '/audit/logKey',
      'excludes audit.logKeyFile',
    ],
    [
      'both checkpoints',
      { store: postgres, audit: { ...BASE.audit, checkpoint } },
      '/audit/checkpoint',
      'excludes audit.checkpointFile',
    ],
    [
      'a log key in the store with a key-encryption key in a file',
      { audit: { origin, logKey: 'store', checkpointFile: '/keys/checkpoint' } },
      '/audit/logKey',
      'needs a kek of type vault-transit or aws-kms',
    ],
    [
      'a bucket with SQLite',
      { audit: { origin, logKeyFile, checkpoint } },
      '/audit/checkpoint',
      'is for PostgreSQL only',
    ],
  ])('are refused in words: %s', (_what, config, pointer, message) => {
    const found = problemsOf(config).find((each) => each.pointer === pointer);
    expect(found?.message).toContain(message);
  });
});
