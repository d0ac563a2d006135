import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { describeWith } from '../kit/backends/backends.ts';
import { createToken, mountEngine, openBaoCall } from '../kit/backends/openbao-calls.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { filesBelow, findCanary } from '../kit/checks/find-canary.ts';
import { CommandLine } from '../kit/cli/command-line.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const CANARY = 'canary-Jq72vv0p';

describeWith(['openbao', 'moto'], 'an import', ({ openbao, moto }) => {
  let prepared: PreparedBroker;
  let operator: CommandLine;

  beforeAll(async () => {
    prepared = await PreparedBroker.start();
    operator = await CommandLine.make({
      AWS_ACCESS_KEY_ID: moto.accessKeyId,
      AWS_SECRET_ACCESS_KEY: moto.secretAccessKey,
    });
    const token = await operator.write('token', prepared.operator);
    await operator.ok('login', '--url', prepared.installation.url, '--token-file', token);
  });
  afterAll(async () => {
    await operator.remove();
    await prepared.remove();
  });

  it.each(['1', '2'] as const)(
    'copies the secrets below a folder of KV %s, again without changes, and writes nothing to a disk',
    async (version) => {
      const mount = await mountEngine(openbao, 'kv', { options: { version } });
      const put = async (path: string, data: object): Promise<void> => {
        const at = version === '2' ? `${mount}/data/${path}` : `${mount}/${path}`;
        await openBaoCall(openbao, 'POST', at, version === '2' ? { data } : data);
      };
      await put('team/db', { password: CANARY, port: 5432 });
      await put('team/deep/er/key', { k: CANARY });
      await put('team/odd name', { k: CANARY });
      await put('elsewhere', { k: CANARY });
      const scoped = await createToken(
        openbao,
        `path "${mount}/*" { capabilities = ["read", "list"] }`,
      );
      const words = ['--address', openbao.address, '--mount', mount, '--from', 'team'];
      const tokenFile = await operator.write('vault-token', `${scoped}\n`);
      const to = `own/kv${version}`;
      const all = ['import', 'vault', ...words, '--vault-token-file', tokenFile, '--to', to];

      const plan = await operator.run(...all, '--dry-run', '-o', 'json');
      expect(plan.code).toBe(2);
      const { items } = JSON.parse(plan.out) as { items: { source: string; state: string }[] };
      expect(items.map(({ source, state }) => `${source}: ${state}`).sort()).toEqual([
        'team/db: create',
        'team/deep/er/key: create',
        'team/odd name: unnameable',
      ]);

      const first = await operator.run(...all, '--yes');
      expect(first.code).toBe(1);
      expect(first.out).toContain('2 copied');
      const map = await operator.write('map.yaml', `'team/odd name': ${to}/odd\n`);
      const second = await operator.run(...all, '--yes', '--map', map);
      expect(second).toMatchObject({ code: 0 });
      expect(second.out).toContain('1 copied');
      const third = await operator.run(...all, '--yes', '--map', map);
      expect(third.out).toContain('0 copied');

      const elsewhere = await operator.write('elsewhere.yaml', `team/db: own/kept/kv${version}\n`);
      await operator.pipe('kept', 'put', `own/kept/kv${version}`, 'k=-', '--create');
      const spared = await operator.run(...all, '--dry-run', '--map', elsewhere);
      expect(spared.out).toMatch(new RegExp(`team/db +own/kept/kv${version} +exists\\n`));
      const misspelt = await operator.write('misspelt.yaml', 'team/bd: null\n');
      const refused = await operator.run(...all, '--yes', '--map', misspelt);
      expect(refused).toMatchObject({ code: 64, out: '' });
      expect(refused.err).toContain(
        'misspelt.yaml:1:10: team/bd: the source has no secret of this name',
      );

      const mistyped = await operator.run(...all, '--from', 'taem', '--yes');
      expect(mistyped).toMatchObject({ code: 4, out: '' });
      expect(mistyped.err).toContain(`KV ${version} at ${mount}/ has nothing below "taem"`);
      // An engine of version 1 has a folder of any name, and this one is empty.
      const other = version === '1' ? { kv: '2', code: 0 } : { kv: '1', code: 4 };
      const mistaken = await operator.run(...all, '--from', '', '--kv', other.kv);
      expect(mistaken.code).toBe(other.code);

      await expect(allowedToRead(`${to}/db`)).resolves.toEqual([CANARY, '5432']);
      const files = await filesBelow(operator.directory);
      const traces = { said: operator.traces, ...files };
      expect(findCanary(CANARY, traces)).toEqual([]);
      expect(findCanary(scoped, { said: operator.traces })).toEqual([]);
    },
  );

  /** Operators of this broker have no role to read: a pod does. */
  const allowedToRead = async (path: string): Promise<readonly string[]> => {
    const session = await prepared.logInEarly();
    const { json } = await prepared.read(session, path);
    const data = json['data'] as Record<string, string>;
    return [data['password'] ?? '', data['port'] ?? ''];
  };

  it('stops at a KV that the token may not list, and copies nothing', async () => {
    const mount = await mountEngine(openbao, 'kv', { options: { version: '2' } });
    const scoped = await createToken(openbao, `path "${mount}/data/x" { capabilities = ["read"] }`);
    const tokenFile = await operator.write('vault-token', scoped);
    const words = ['--address', openbao.address, '--mount', mount, '--kv', '2', '--yes'];
    const ran = await operator.run('import', 'vault', ...words, '--vault-token-file', tokenFile);
    expect(ran.code).toBe(3);
  });

  it('copies secrets of AWS in the form of the AWS provider', async () => {
    const { endpoint, region, accessKeyId, secretAccessKey } = moto;
    const credentials = { accessKeyId, secretAccessKey };
    const client = new SecretsManagerClient({ endpoint, region, credentials });
    const name = uniqueName('import');
    const create = async (path: string, value: object): Promise<void> => {
      await client.send(new CreateSecretCommand({ Name: `${name}/${path}`, ...value }));
    };
    await create('json', { SecretString: JSON.stringify({ password: CANARY, port: 1 }) });
    await create('text', { SecretString: CANARY });
    await create('bytes', { SecretBinary: Uint8Array.of(0xff, 0) });
    client.destroy();
    const words = ['--region', region, '--endpoint', endpoint, '--from', name, '--to', 'own/aws'];
    const nowhere = ['--region', region, '--endpoint', 'http://127.0.0.1:9'];
    const unreachable = await operator.run('import', 'aws', ...nowhere, '--yes');
    expect(unreachable).toMatchObject({ code: 5, out: '' });
    expect(unreachable.err).toMatch(
      /^no response from AWS .* at 127\.0\.0\.1:9: ECONNREFUSED; check /,
    );
    const { code, out } = await operator.run('import', 'aws', ...words, '--yes');
    expect(code).toBe(0);
    expect(out).toContain('3 copied');
    await expect(allowedToRead('own/aws/json')).resolves.toEqual([CANARY, '1']);
    expect(findCanary(CANARY, { said: operator.traces })).toEqual([]);
  });
});
