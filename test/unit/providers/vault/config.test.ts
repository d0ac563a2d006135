import { describe, expect, it } from '@jest/globals';
import { vaultConnectionSchema } from '../../../../src/providers/vault/config.ts';

const config = (more: Readonly<Record<string, unknown>> = {}) => ({
  type: 'vault',
  address: 'https://vault.example.com:8200',
  auth: { method: 'token', tokenFile: '/run/token' },
  locators: ['secret/data/payments/**'],
  ...more,
});

const accepts = (value: unknown) => vaultConnectionSchema.safeParse(value).success;

describe('a Vault connection in the configuration', () => {
  it('has default limits', () => {
    expect(vaultConnectionSchema.parse(config()).limits).toEqual({
      timeoutMs: 5000,
      maxConcurrent: 32,
      maxRotations: 4,
      maxQueue: 64,
      maxRetries: 2,
      failuresToOpen: 5,
      probeAfterMs: 5000,
    });
  });

  it.each(['http://127.0.0.1:8200', 'http://localhost:8200', 'http://[::1]:8200'])(
    'accepts plain HTTP to this machine: %s',
    (address) => expect(accepts(config({ address }))).toBe(true),
  );

  it.each([
    'http://vault.vault.svc:8200',
    'http://127.0.0.1.evil.example',
    'https://vault.example.com/v1',
    'https://user:pass@vault.example.com',
    'https://vault.example.com/?x',
    'ftp://vault.example.com',
    'vault.example.com',
  ])('is refused at the address %s', (address) => {
    expect(accepts(config({ address }))).toBe(false);
  });

  it.each(['sys/**', 'auth/token/**', 'identity/x', 'cubbyhole/**', 'SYS/x', '**', '*/data/x'])(
    'cannot be restricted to %s',
    (locator) => expect(accepts(config({ locators: [locator] }))).toBe(false),
  );

  it('is refused without a restriction', () => {
    expect(accepts(config({ locators: [] }))).toBe(false);
  });

  it('refuses a setting that turns verification off, and any other unknown key', () => {
    expect(accepts(config({ insecure: true }))).toBe(false);
    expect(accepts(config({ auth: { method: 'token', tokenFile: 'x', token: 's.x' } }))).toBe(
      false,
    );
  });

  it('has a default for the path of the Kubernetes token', () => {
    const parsed = vaultConnectionSchema.parse(
      config({ auth: { method: 'kubernetes', role: 'broker' } }),
    );
    expect(parsed.auth).toEqual({
      method: 'kubernetes',
      mount: 'kubernetes',
      role: 'broker',
      tokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
    });
  });
});
