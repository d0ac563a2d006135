import { describe, expect, it } from '@jest/globals';
import { checkConfig } from '../../../../src/compose/config/load.ts';
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
