import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { systemClock } from '../../../../src/process/clock.ts';
import { awsSecretsManagerConnectionSchema } from '../../../../src/providers/aws/config.ts';
import { openAwsSecretsManager } from '../../../../src/providers/aws/open.ts';
import { formatLocation, parseLocation } from '../../../../src/providers/aws/secrets/location.ts';

const base = { type: 'aws-secrets-manager', region: 'eu-central-1', locators: ['prod/**'] };
const { provider: connection } = await openAwsSecretsManager(
  'aws',
  awsSecretsManagerConnectionSchema.parse(base),
  { clock: systemClock, connection: 'backend' },
);
const provider = connection.mount({ namePrefix: 'prod/' });
const refusal = (code: string) => expect.objectContaining({ code });

describe('places at AWS Secrets Manager', () => {
  it('are names below the mount', () => {
    expect(provider.covers).toBe('prod/');
    expect(provider.locate('a/b')).toBe('prod/a/b');
    expect(connection.mount({}).covers).toBe('');
  });

  it.each([
    '',
    '../x',
    'a/../b',
    'a//b',
    '/a',
    'a/',
    'a?x',
    'a#x',
    'a%2fb',
    'a b',
    'arn:aws:secretsmanager:x',
    'a\u0000',
    'x'.repeat(510),
  ])('are never at %p', (rest) => {
    expect(() => provider.locate(rest)).toThrow(refusal('ERR_PATH_INVALID'));
  });

  it.each([
    { name: 'other/x' },
    { name: 'prod/../x' },
    { name: 'prod' },
    { name: 'prod/x', stage: 'A', versionId: 'v'.repeat(32) },
    { name: 'prod/x', versionId: 'short' },
    { name: 'prod/x', stage: 'a b' },
    { name: 'prod/x', stage: '' },
    { name: 'prod/x', more: 1 },
    { name: ['prod/x'] },
    'prod/x',
    null,
  ])('refuse the reference %j', (ref) => {
    expect(() => provider.locate('x', ref)).toThrow(refusal('ERR_BODY_INVALID'));
  });

  it('are the same whether or not the mount states its stage', () => {
    expect(provider.locate('x', { name: 'prod/x', stage: 'AWSCURRENT' })).toBe('prod/x');
    expect(provider.locate('x', { name: 'prod/x', stage: 'AWSPREVIOUS' })).toBe(
      'prod/x?stage=AWSPREVIOUS',
    );
    expect(provider.locate('x', { name: 'prod/x', jsonKey: 'a/b#?c' })).toBe('prod/x#a%2Fb%23%3Fc');
  });

  it('have one text each', () => {
    const jsonKey = fc.option(fc.string({ unit: 'grapheme', minLength: 1 }), { nil: undefined });
    const selector = fc.constantFrom({}, { stage: 'AWSPREVIOUS' }, { versionId: 'v'.repeat(32) });
    fc.assert(
      fc.property(selector, jsonKey, (selected, key) => {
        const location = {
          name: 'prod/x',
          ...selected,
          ...(key !== undefined && { jsonKey: key }),
        };
        expect(parseLocation(formatLocation(location))).toEqual(location);
      }),
    );
  });

  it.each([
    { namePrefix: 'prod' },
    { namePrefix: '/' },
    { namePrefix: '../' },
    { namePrefix: 'a//' },
    { stage: 'a b' },
    { region: 'x' },
    null,
  ])('refuse the mount options %j', (options) => {
    expect(() => connection.mount(options)).toThrow(refusal('ERR_BODY_INVALID'));
  });

  it.each([
    { ...base, region: 'here' },
    { ...base, endpoint: 'http://10.0.0.1' },
    { ...base, endpoint: 'https://user:pass@host' },
    { ...base, endpoint: 'file:///etc/passwd' },
    { ...base, endpoint: 'https://host/?x=1' },
    { ...base, locators: [] },
    { ...base, accessKeyId: 'AKIA' },
  ])('are not reached by the connection %j', (config) => {
    expect(awsSecretsManagerConnectionSchema.safeParse(config).success).toBe(false);
  });

  it.each([
    { ...base, region: 'us-gov-west-1' },
    {
      ...base,
      region: 'ap-southeast-2',
      endpoint: 'https://vpce-1.secretsmanager.ap-southeast-2.vpce.amazonaws.com',
    },
    { ...base, endpoint: 'http://127.0.0.1:5000', profile: 'team/prod' },
  ])('are reached by the connection %j', (config) => {
    expect(awsSecretsManagerConnectionSchema.safeParse(config).success).toBe(true);
  });
});
