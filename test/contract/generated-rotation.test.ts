import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import type { SecretData } from '../../src/domain/secrets/secret.ts';
import type { RotationTarget } from '../../src/ports/rotation-target.ts';
import { openGenerator } from '../../src/providers/generator/open.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { CARRIED, rotationTargetContract, turnOf } from './rotation-target.contract.ts';
import { contextOf } from './secret-provider.contract.ts';

const clock = new HandClock(Date.now());
const connection = openGenerator({ clock }).rotation;
const attach = (strategy: string, options: object = {}): RotationTarget =>
  connection.target(strategy, options);

async function fixtureOf(strategy: string, options: object) {
  const target = attach(strategy, options);
  return {
    target,
    current: await target.create(turnOf(CARRIED)),
    restart: () => Promise.resolve(attach(strategy, options)),
    logsIn: async (data: SecretData) => (await target.test(data, contextOf())).accepted,
    state: () => Promise.resolve(''),
    bystanders: () => Promise.resolve(''),
    close: () => Promise.resolve(),
  };
}

const TRAITS = {
  slots: 'two',
  drillable: true,
  hostless: true,
  local: true,
  unnamed: true,
} as const;
const KEYS = { password: {}, token: { length: 40, alphabet: '0123456789abcdef' } };

rotationTargetContract('generated texts', () => fixtureOf('generated', { keys: KEYS }), TRAITS);
rotationTargetContract('a generated key pair', () => fixtureOf('key-pair', {}), TRAITS);

describe('generated texts', () => {
  const target = attach('generated', { keys: KEYS });

  it('have the rules of their key each', async () => {
    const made = await target.create(turnOf(undefined));
    expect(made).toEqual({
      password: expect.stringMatching(/^[A-Za-z0-9]{32}$/),
      token: expect.stringMatching(/^[0-9a-f]{40}$/),
    });
  });

  it('are a password of 32 characters by default', async () => {
    const made = await attach('generated').create(turnOf(undefined));
    expect(made).toEqual({ password: expect.stringMatching(/^[A-Za-z0-9]{32}$/) });
  });

  it('fail their test when one is missing, too short, or has other characters', async () => {
    const made = await target.create(turnOf(undefined));
    for (const wrong of [
      { password: made['password']! },
      { ...made, token: 'abc' },
      { ...made, token: 'g'.repeat(40) },
      { ...made, token: { base64: 'AAAA' } },
    ]) {
      const verdict = await target.test(wrong, contextOf());
      expect(verdict).toEqual({ accepted: false, reason: 'not_as_asked' });
    }
  });

  it.each([
    ['a length of one (R08)', { keys: { pin: { length: 1 } } }, '/keys/pin/length'],
    ['a PIN', { keys: { pin: { length: 6, alphabet: '0123456789' } } }, '/keys/pin/length'],
    ['no character left', { keys: { p: { alphabet: 'ab', exclude: 'ba' } } }, '/keys/p/exclude'],
    ['an unknown class', { keys: { p: { require: ['emoji'] } } }, '/keys/p/require/0'],
    ['no key', { keys: {} }, '/keys'],
    ['a key that cannot be', { keys: { 'a\nb': {} } }, '/keys/a\nb'],
    ['an option that is not known', { keys: {}, regex: '(a+)+$' }, '/regex'],
  ])('are refused with %s', (_what, options, pointer) => {
    expect(() => attach('generated', options)).toThrow(
      expect.objectContaining({
        code: 'ERR_BODY_INVALID',
        problems: expect.arrayContaining([expect.objectContaining({ pointer })]),
      }),
    );
  });
});

describe('a generated key pair', () => {
  it('has all its forms under their default names or configured ones', async () => {
    const made = await attach('key-pair').create(turnOf(undefined));
    expect(made).toEqual({
      privateKey: expect.stringContaining('BEGIN PRIVATE KEY'),
      publicKey: expect.stringContaining('BEGIN PUBLIC KEY'),
      openSsh: expect.stringMatching(/^ssh-ed25519 [A-Za-z0-9+/=]+$/),
    });
    const named = attach('key-pair', { type: 'ec-p256', keys: { privateKey: 'tls.key' } });
    expect(Object.keys(await named.create(turnOf(undefined)))).toEqual(['tls.key']);
  });

  it('fails its test when its halves do not match, or it has another type', async () => {
    const target = attach('key-pair');
    const [one, other] = [
      await target.create(turnOf(undefined)),
      await target.create(turnOf(undefined)),
    ];
    const mixed = { ...one, publicKey: other['publicKey']! };
    expect(await target.test(mixed, contextOf())).toEqual({
      accepted: false,
      reason: 'keys_differ',
    });
    const asked = attach('key-pair', { type: 'rsa-2048' });
    expect(await asked.test(one, contextOf())).toEqual({ accepted: false, reason: 'not_as_asked' });
    expect(await target.test({}, contextOf())).toEqual({ accepted: false, reason: 'not_a_key' });
  });

  it.each([
    ['a type that is too weak', { type: 'rsa-1024' }, '/type'],
    ['one key for two forms', { keys: { privateKey: 'k', publicKey: 'k' } }, '/keys'],
  ])('is refused with %s', (_what, options, pointer) => {
    expect(() => attach('key-pair', options)).toThrow(
      expect.objectContaining({ problems: [expect.objectContaining({ pointer })] }),
    );
  });
});

it('an unknown strategy is refused with the list of known ones', () => {
  for (const strategy of ['nonesuch', 'constructor', '__proto__']) {
    expect(() => attach(strategy)).toThrow(
      expect.objectContaining({ problems: [expect.objectContaining({ pointer: '/strategy' })] }),
    );
  }
});

const NAMES = {
  dnsNames: ['app.example', '*.app.example'],
  ipAddresses: ['10.0.0.1', '2001:db8::1'],
};
rotationTargetContract('a self-signed certificate', () => fixtureOf('certificate', NAMES), TRAITS);

describe('a self-signed certificate', () => {
  const make = (options: object): Promise<SecretData> =>
    attach('certificate', options).create(turnOf(undefined));

  it.each(['ec-p256', 'ed25519', 'rsa-2048'])(
    'is accepted with the type %s by a client that trusts it, for its names and no other',
    async (keyType) => {
      const made = await make({ ...NAMES, keyType });
      const [cert, key] = [made['tls.crt'] as string, made['tls.key'] as string];
      const server = createServer({ cert, key }, (socket) => socket.end());
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const dial = async (servername: string): Promise<string> => {
        const socket = connect({ port, host: '127.0.0.1', ca: cert, servername });
        const settled = Promise.withResolvers<string>();
        socket.once('secureConnect', () => settled.resolve('believed'));
        socket.once('error', (error: NodeJS.ErrnoException) => settled.resolve(error.code ?? ''));
        const outcome = await settled.promise;
        socket.destroy();
        return outcome;
      };
      expect(await dial('app.example')).toBe('believed');
      expect(await dial('one.app.example')).toBe('believed');
      expect(await dial('elsewhere.example')).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
      server.close();
      await once(server, 'close');
    },
  );

  it('reports its validity, because its schedule must be shorter', async () => {
    expect(attach('certificate', { ...NAMES, validDays: 7 }).lifetimeSeconds).toBe(7 * 86_400);
    const made = await make({ ...NAMES, validDays: 7 });
    const { validTo } = new X509Certificate(made['tls.crt'] as string);
    expect(Date.parse(validTo)).toBe(Math.floor(clock.now() / 1000) * 1000 + 7 * 86_400_000);
    expect(attach('key-pair').lifetimeSeconds).toBeUndefined();
  });

  it('fails its test with another key, other names, outside its validity, or without a certificate', async () => {
    const target = attach('certificate', NAMES);
    const [one, other] = [await make(NAMES), await make(NAMES)];
    const reason = async (data: SecretData, asked = target): Promise<unknown> =>
      await asked.test(data, contextOf());
    const refused = (word: string): object => ({ accepted: false, reason: word });
    expect(await reason({ ...one, 'tls.key': other['tls.key']! })).toEqual(refused('keys_differ'));
    expect(await reason({ ...one, 'tls.crt': 'x' })).toEqual(refused('not_a_certificate'));
    for (const names of [
      { ...NAMES, dnsNames: ['app.example'] },
      { ...NAMES, dnsNames: ['app.example', 'b.example'] },
      { ...NAMES, ipAddresses: ['10.0.0.1', '10.0.0.2'] },
    ]) {
      expect(await reason(one, attach('certificate', names))).toEqual(refused('names_differ'));
    }
    const rsa = attach('certificate', { ...NAMES, keyType: 'rsa-2048' });
    expect(await reason(one, rsa)).toEqual(refused('not_as_asked'));
    clock.advance(90 * 86_400_000);
    expect(await reason(one)).toEqual(refused('expired'));
  });

  it.each([
    ['no name', {}, '/dnsNames'],
    ['a name in capitals', { dnsNames: ['App.example'] }, '/dnsNames/0'],
    ['a star in the middle', { dnsNames: ['a.*.example'] }, '/dnsNames/0'],
    ['a name that is two', { dnsNames: ['a.example, DNS:b.example'] }, '/dnsNames/0'],
    ['an invalid address', { ipAddresses: ['10.1'] }, '/ipAddresses/0'],
    ['a name twice', { dnsNames: ['a', 'a'] }, ''],
    ['three years', { dnsNames: ['a'], validDays: 1096 }, '/validDays'],
    ['one key for both', { dnsNames: ['a'], keys: { certificate: 'k', privateKey: 'k' } }, '/keys'],
  ])('is refused with %s', (_what, options, pointer) => {
    expect(() => attach('certificate', options)).toThrow(
      expect.objectContaining({ problems: [expect.objectContaining({ pointer })] }),
    );
  });
});
