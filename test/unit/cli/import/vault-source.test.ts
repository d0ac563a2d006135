import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { collect } from '../../../kit/checks/collect-items.ts';
import { failureOf, type Failure } from '../../../../src/cli/output/failure.ts';
import { SourceError } from '../../../../src/cli/import/import-source.ts';
import { VaultHttp } from '../../../../src/cli/import/vault-http.ts';
import { VaultSource } from '../../../../src/cli/import/vault-source.ts';
import { FakeVault } from '../../../kit/fakes/fake-vault.ts';
import { CertificateAuthority } from '../../../kit/network/certificates.ts';
import { fastClock } from '../../../kit/time/fast-clock.ts';

const NEVER = new AbortController().signal;

describe('an import source at Vault', () => {
  const started: FakeVault[] = [];
  const start = async (): Promise<FakeVault> => {
    const vault = await FakeVault.start();
    started.push(vault);
    return vault;
  };
  afterEach(async () => {
    for (const vault of started.splice(0)) await vault.close();
  });

  const open = async (vault: FakeVault, mount: string, kv: '1' | '2', prefix = '') => {
    const access = { address: vault.address, token: 's.broker' };
    const http = new VaultHttp(access, fastClock(0, 20), NEVER);
    return VaultSource.open(http, { mount, kv, prefix });
  };

  const listed = async (source: VaultSource): Promise<readonly string[]> =>
    (await collect(source.list())).map(({ path, unreadable }) =>
      unreadable === undefined ? path : `${JSON.stringify(path)} ${unreadable}`,
    );
  /** A KV 2 at `secret/` whose every folder lists these keys. */
  const listing = async (keys: readonly unknown[]) => {
    const vault = await start();
    vault.fault = ({ target }) =>
      target.endsWith('?list=true') ? { status: 200, body: { data: { keys } } } : undefined;
    return { vault, source: await open(vault, 'secret', '2', 'team') };
  };

  it('gives every current version below a folder, and no value for a deleted one', async () => {
    const vault = await start();
    vault.put('secret', 'a/one', { k: 'v', n: 1, o: { x: [true] } });
    vault.put('secret', 'a/b/two', { k: 'old' });
    vault.put('secret', 'a/b/two', { k: 'new' });
    vault.put('secret', 'gone', { k: 'v' });
    vault.remove('secret', 'gone');
    const source = await open(vault, 'secret', '2');
    expect((await listed(source)).toSorted()).toEqual(['a/b/two', 'a/one', 'gone']);
    expect(await source.read('a/b/two')).toEqual({ data: { k: 'new' } });
    expect(await source.read('a/one')).toEqual({
      data: { k: 'v', n: '1', o: '{"x":[true]}' },
    });
    expect(await source.read('gone')).toBeUndefined();
  });

  it('gives the custom metadata of KV version 2 that is text', async () => {
    const vault = await start();
    let custom: unknown = { owner: 'pay', odd: 1 };
    vault.fault = () => ({
      status: 200,
      body: { data: { data: { k: 'v' }, metadata: { version: 1, custom_metadata: custom } } },
    });
    const source = await open(vault, 'secret', '2');
    const data = { k: 'v' };
    expect(await source.read('x')).toEqual({ data, customMetadata: { owner: 'pay' } });
    for (custom of [null, {}, 'text', ['a']]) expect(await source.read('x')).toEqual({ data });
  });

  it('is retried while it is busy, and fails when it stays busy: other requests would fail the same way', async () => {
    const vault = await start();
    vault.put('old', 'x', { k: 'v' });
    let busy = 2;
    vault.fault = () => (busy-- > 0 ? { status: 503, body: { errors: ['canary'] } } : undefined);
    const source = await open(vault, 'old', '1');
    expect(await source.read('x')).toEqual({ data: { k: 'v' } });
    busy = 100;
    await expect(source.read('x')).rejects.toMatchObject({
      exitCode: 5,
      message: `no response from Vault at ${new URL(vault.address).host}: status 503`,
    });
    vault.fault = () => ({ status: 500, body: { errors: ['canary'] } });
    await expect(source.read('x')).rejects.toThrow(new SourceError('vault_status_500'));
  });

  it('fails when it does not answer, by the clock of the program', async () => {
    const vault = await start();
    vault.fault = () => 'handled';
    const access = { address: vault.address, token: 's.broker' };
    const http = new VaultHttp(access, fastClock(0, 1_000), NEVER);
    await expect(http.get('x')).rejects.toMatchObject({
      exitCode: 5,
      message: `no response from Vault at ${new URL(vault.address).host}: no complete response within 30 s`,
    });
    // On a busy machine an attempt may end before its request arrives.
    expect(vault.requests.length).toBeLessThanOrEqual(4);
  });

  it('is not retried if its certificate is not trusted, and the error names the option', async () => {
    const { cert, key } = new CertificateAuthority().issue({
      commonName: 'vault',
      ipAddresses: ['127.0.0.1'],
    });
    let connections = 0;
    const server = createServer({ cert, key }).on('connection', () => (connections += 1));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const http = new VaultHttp({ address, token: 't' }, fastClock(0, 10), NEVER);
    const failure = await http.get('x').catch(failureOf);
    server.close();
    expect(failure).toMatchObject({ exitCode: 5 });
    expect((failure as Failure).text).toMatch(/: UNABLE_TO_\w+; if a private CA .* --vault-ca$/);
    expect(connections).toBe(1);
  });

  it('stops the import if a folder may not be listed', async () => {
    const vault = await start();
    vault.tokens.clear();
    const source = await open(vault, 'secret', '2');
    await expect(collect(source.list())).rejects.toMatchObject({ exitCode: 3 });
  });

  it('gets no request outside its root, for any keys, and each of them is reported', async () => {
    const odd = ['..', '../', '.', './', '', '/', 'a/b', '../../sys/', '..%2f', '%2e%2e', 'a?b#c'];
    const { vault, source } = await listing([...odd, 'bell\u0007', '\ud800', 'ok', 'ok']);
    expect(await listed(source)).toEqual([
      '"team/.." dot_name',
      '"team/../" dot_name',
      '"team/." dot_name',
      '"team/./" dot_name',
      '"team/" empty_name',
      '"team//" empty_name',
      '"team/a/b" slash_in_name',
      '"team/../../sys/" slash_in_name',
      'team/..%2f',
      'team/%2e%2e',
      'team/a?b#c',
      '"team/bell\\u0007" control_character',
      '"team/\\ud800" not_unicode',
      'team/ok',
    ]);
    for (const path of ['team/..%2f', 'team/%2e%2e', 'team/a?b#c']) await source.read(path);
    expect(vault.requests.map(({ target }) => target)).toEqual([
      '/v1/secret/metadata/team/?list=true',
      '/v1/secret/data/team/..%252f',
      '/v1/secret/data/team/%252e%252e',
      '/v1/secret/data/team/a%3Fb%23c',
    ]);
  });

  it('is not read endlessly if every folder contains itself', async () => {
    const { source } = await listing(['again/']);
    await expect(listed(source)).rejects.toThrow('Vault has folders more than 32 deep');
  });

  it.each([[[1]], [[{}]], ['ok']])('stops the import if keys are not strings: %j', async (keys) => {
    const { source } = await listing(keys as unknown[]);
    await expect(listed(source)).rejects.toThrow(
      'cannot list folder "team": unexpected response from Vault (status 200)',
    );
  });

  it.each(['/x', 'a//b', '../b', 'a/./b'])('is refused at %s', async (place) => {
    const vault = await start();
    await expect(open(vault, place, '2')).rejects.toThrow('--mount must be names');
    await expect(open(vault, 'secret', '2', place)).rejects.toThrow('--from must be names');
    expect(vault.requests).toEqual([]);
  });

  it('gives values unchanged: names that every object has, and all digits', async () => {
    const vault = await start();
    const text =
      '{"__proto__":"p","constructor":"c","n":12345678901234567890,"f":1.0,"o":{"x":1.10}}';
    vault.fault = (_request, response) => {
      response.end(`{"data":{"data":${text}}}`);
      return 'handled';
    };
    const source = await open(vault, 'secret', '2');
    expect(Object.entries((await source.read('x'))?.data ?? {})).toEqual([
      ['__proto__', 'p'],
      ['constructor', 'c'],
      ['n', '12345678901234567890'],
      ['f', '1.0'],
      ['o', '{"x":1.10}'],
    ]);
  });

  it.each([
    ['above 16 MiB', 'vault_too_large', `"${'x'.repeat(16 * 1024 * 1024)}"`],
    ['nested endlessly', 'vault_too_deep', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['not JSON', 'vault_answer', 'x'],
    ['not UTF-8', 'vault_answer', Buffer.from('"\xff"', 'latin1')],
  ])(
    'fails for one secret only at an answer that is %s, without a retry',
    async (_what, word, value) => {
      const vault = await start();
      vault.fault = (_request, response) => {
        response.end(
          Buffer.concat([
            Buffer.from('{"data":{"data":{"k":'),
            Buffer.from(value),
            Buffer.from('}}}'),
          ]),
        );
        return 'handled';
      };
      const source = await open(vault, 'secret', '2');
      await expect(source.read('x')).rejects.toThrow(new SourceError(word));
      expect(vault.requests).toHaveLength(1);
    },
  );

  it('is refused in the clear at another machine', () => {
    const access = { address: 'http://vault.test:8200', token: 't' };
    expect(() => new VaultHttp(access, fastClock(0, 1), NEVER)).toThrow('unencrypted');
  });
});
