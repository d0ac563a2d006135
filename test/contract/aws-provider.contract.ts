import {
  CreateSecretCommand,
  DeleteSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { SecretProvider } from '../../src/ports/secret-provider.ts';
import { connect, CONTEXT, REGION, setCredentials } from '../kit/aws/aws-connection.ts';
import type { ClosableProvider } from '../kit/providers/closable-provider.ts';

/** The actions of an operator at AWS. */
export class AwsOperator {
  readonly #client: SecretsManagerClient;

  constructor(endpoint: string) {
    this.#client = new SecretsManagerClient({ region: REGION, endpoint });
  }

  async create(name: string, value: string | Uint8Array): Promise<string> {
    const answer = await this.#client.send(
      new CreateSecretCommand({ Name: name, ...valueOf(value) }),
    );
    return answer.VersionId ?? '';
  }

  async put(name: string, value: string | Uint8Array): Promise<string> {
    const answer = await this.#client.send(
      new PutSecretValueCommand({ SecretId: name, ...valueOf(value) }),
    );
    return answer.VersionId ?? '';
  }

  async makeCurrent(name: string, versionId: string, from: string): Promise<void> {
    await this.#client.send(
      new UpdateSecretVersionStageCommand({
        SecretId: name,
        VersionStage: 'AWSCURRENT',
        MoveToVersionId: versionId,
        RemoveFromVersionId: from,
      }),
    );
  }

  async remove(name: string): Promise<void> {
    await this.#client.send(new DeleteSecretCommand({ SecretId: name }));
  }

  close(): void {
    this.#client.destroy();
  }
}

function valueOf(
  value: string | Uint8Array,
): { SecretString: string } | { SecretBinary: Uint8Array } {
  return typeof value === 'string' ? { SecretString: value } : { SecretBinary: value };
}

/** The required behaviour on any server that speaks AWS Secrets Manager; `base` is a name prefix of its own. */
export function awsProviderContract(
  name: string,
  start: () => Promise<{ endpoint: string; base: string; stop(): Promise<void> }>,
): void {
  describe(`AWS Secrets Manager on ${name}`, () => {
    let server: Awaited<ReturnType<typeof start>>;
    let operator: AwsOperator;
    let connection: ClosableProvider;
    let provider: SecretProvider;
    const read = (rest: string, version?: string) =>
      provider.read(provider.locate(rest), version, CONTEXT);

    beforeAll(async () => {
      setCredentials();
      server = await start();
      operator = new AwsOperator(server.endpoint);
      connection = await connect(server.endpoint);
      provider = connection.mount({ namePrefix: server.base });
    });
    afterAll(async () => {
      operator.close();
      await connection.close();
      await server.stop();
    });

    it('reads a JSON object as its members, with the digits of numbers kept', async () => {
      const text =
        '{"user":"a","port":5432,"big":12345678901234567890,"nested":{"n":1.50},"none":null,"on":true}';
      const version = await operator.create(`${server.base}json`, text);
      const secret = await read('json');
      expect(secret.data).toEqual({
        user: 'a',
        port: '5432',
        big: '12345678901234567890',
        nested: '{"n":1.50}',
        none: 'null',
        on: 'true',
      });
      expect(secret.version).toBe(version);
      expect(secret.createdAt).toBeGreaterThan(1_600_000_000_000);
    });

    it.each([
      ['plain', 'plain text'],
      ['braces', '{ not json'],
      ['array', '["a"]'],
      ['empty-object', '{}'],
      ['unicode', 'ключ 🔑 \u2028'],
    ])('reads other text as one value: %s', async (rest, text) => {
      await operator.create(`${server.base}${rest}`, text);
      expect((await read(rest)).data).toEqual({ value: text });
    });

    it('reads bytes as base64', async () => {
      await operator.create(`${server.base}bytes`, Uint8Array.of(0, 255, 128));
      expect((await read('bytes')).data).toEqual({ value: { base64: 'AP+A' } });
    });

    it('reads the current version, and an older one by its id', async () => {
      const first = await operator.create(`${server.base}versions`, 'one');
      const second = await operator.put(`${server.base}versions`, 'two');
      expect(await read('versions')).toMatchObject({ data: { value: 'two' }, version: second });
      expect(await read('versions', first)).toMatchObject({
        data: { value: 'one' },
        version: first,
      });
    });

    it('follows AWSCURRENT when it is moved back, singly and in a batch', async () => {
      const name = `${server.base}moved`;
      const first = await operator.create(name, 'one');
      const second = await operator.put(name, 'two');
      await operator.makeCurrent(name, first, second);
      expect(await read('moved')).toMatchObject({ data: { value: 'one' }, version: first });
      const [batched] = (await provider.readMany?.([provider.locate('moved')], CONTEXT)) ?? [];
      expect(batched).toMatchObject({ data: { value: 'one' }, version: first });
    });

    it('reads a stage, a version or one member if the reference names it', async () => {
      const name = `${server.base}refs`;
      const first = await operator.create(name, '{"a":"1"}');
      await operator.put(name, '{"a":"2"}');
      const at = (ref: object) =>
        provider.read(provider.locate('x', { name, ...ref }), undefined, CONTEXT);
      expect((await at({ jsonKey: 'a' })).data).toEqual({ a: '2' });
      expect((await at({ stage: 'AWSPREVIOUS' })).data).toEqual({ a: '1' });
      expect((await at({ versionId: first, jsonKey: 'a' })).data).toEqual({ a: '1' });
      await expect(at({ jsonKey: 'b' })).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    });

    it('returns not found for an absent name or version, and for an invalid id', async () => {
      await operator.create(`${server.base}there`, 'x');
      const other = await operator.create(`${server.base}other`, 'x');
      for (const [rest, version] of [
        ['absent', undefined],
        ['there', other],
        ['there', '1'],
        ['there', 'x'.repeat(40)],
      ] as const) {
        await expect(read(rest, version)).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
      }
    });

    it('returns not found for a secret that is scheduled for deletion', async () => {
      await operator.create(`${server.base}deleted`, 'x');
      await operator.remove(`${server.base}deleted`);
      await expect(read('deleted')).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
      const [batched] = (await provider.readMany?.([provider.locate('deleted')], CONTEXT)) ?? [];
      expect(batched).toMatchObject({ code: 'ERR_NOT_FOUND' });
    });

    it('reads many at once, each with its own error, in the requested order', async () => {
      const names = Array.from({ length: 25 }, (_, at) => `many/s${String(at)}`);
      for (const rest of names) await operator.create(`${server.base}${rest}`, `{"v":"${rest}"}`);
      const asked = [...names, 'many/absent', 'many/s0'].map((rest) => provider.locate(rest));
      const member = provider.locate('x', { name: `${server.base}many/s1`, jsonKey: 'v' });
      const results = (await provider.readMany?.([...asked, member], CONTEXT)) ?? [];
      expect(
        results
          .slice(0, 25)
          .map((result) => (result instanceof Error ? result.message : result.data)),
      ).toEqual(names.map((v) => ({ v })));
      expect(results[25]).toMatchObject({ code: 'ERR_NOT_FOUND' });
      expect(results[26]).toMatchObject({ data: { v: 'many/s0' } });
      expect(results[27]).toMatchObject({ data: { v: 'many/s1' } });
    });

    it('lists names below a prefix with their current versions, page by page', async () => {
      const ids = new Map<string, string>();
      for (const rest of ['list/a', 'list/b/c', 'list/d', 'listed'])
        ids.set(rest, await operator.create(`${server.base}${rest}`, 'x'));
      const seen: unknown[] = [];
      let after: string | undefined;
      do {
        const page = await provider.list('list', { after, limit: 2 }, CONTEXT);
        expect(page.items.length).toBeLessThanOrEqual(2);
        seen.push(...page.items);
        after = page.next;
      } while (after !== undefined);
      expect(seen).toEqual(
        ['list/a', 'list/b/c', 'list/d'].map((rest) => ({ name: rest, version: ids.get(rest) })),
      );
    });

    it('checks itself', async () => {
      expect(await connection.check(CONTEXT)).toMatchObject({ healthy: true });
      const empty = await connection.mount({ namePrefix: 'nothing/there/' }).check(CONTEXT);
      expect(empty.findings.join()).toContain('no secret\'s name begins with "nothing/there/"');
    });
  });
}
