import { isDeepStrictEqual } from 'node:util';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import { grant } from '../backends/kube-apply.ts';
import { kubeRequest } from '../backends/kube-calls.ts';
import { createNamespace, createServiceAccount } from '../backends/kube-objects.ts';
import { boundToken } from '../backends/kube-tokens.ts';
import type { Kube } from '../backends/kube.ts';
import type { Moto } from '../backends/moto.ts';
import { createToken, openBaoCall } from '../backends/openbao-calls.ts';
import type { OpenBao } from '../backends/openbao.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { privateFile } from './target-fixture.ts';
import { setCredentials } from '../aws/aws-connection.ts';
import { PATIENT } from '../providers/longest-timeout.ts';
import type { Rotating } from './rotating.ts';

const FIRST: SecretData = { password: 'the password at first', other: 'kept' };

interface Elsewhere {
  readonly connection: object;
  readonly options: object;
  readonly held: () => Promise<SecretData>;
  readonly written?: () => Promise<number>;
  readonly close: () => Promise<void>;
}

/** A generated value at a provider. No other system knows it, so the provider's value is the one that logs in. */
function generatedAt(name: string, at: Elsewhere): Rotating {
  const { connection, options, held } = at;
  return {
    ...at,
    path: `made/${name}`,
    connections: { target: { ...connection, limits: PATIENT } },
    mounts: { '/mounts/made': { prefix: 'made', connection: 'target', options } },
    rotation: { strategy: 'generated' },
    logsIn: async (data) => isDeepStrictEqual(await held(), data),
  };
}

export async function writtenToVault(openbao: OpenBao): Promise<Rotating> {
  const root = uniqueName('team');
  const data = `secret/data/${root}/db`;
  const token = await createToken(
    openbao,
    `path "secret/data/${root}/*" { capabilities = ["read", "create", "update"] }`,
  );
  const file = await privateFile(token);
  await openBaoCall(openbao, 'POST', data, { data: FIRST });
  const read = async () =>
    (await openBaoCall(openbao, 'GET', data)) as {
      data: { data: SecretData; metadata: { version: number } };
    };
  return generatedAt('db', {
    connection: {
      type: 'vault',
      address: openbao.address,
      auth: { method: 'token', tokenFile: file.path },
      locators: ['secret/data/**'],
    },
    options: { engine: 'kv-v2', path: 'secret', root },
    held: async () => (await read()).data.data,
    written: async () => (await read()).data.metadata.version,
    close: () => file.remove(),
  });
}

export async function writtenToAws({ endpoint, region }: Moto): Promise<Rotating> {
  setCredentials();
  const namePrefix = `${uniqueName('written')}/`;
  const secret = { SecretId: `${namePrefix}db` };
  const client = new SecretsManagerClient({ endpoint, region });
  const SecretString = JSON.stringify(FIRST);
  await client.send(new CreateSecretCommand({ Name: secret.SecretId, SecretString }));
  return generatedAt('db', {
    connection: { type: 'aws-secrets-manager', region, endpoint, locators: ['**'] },
    options: { namePrefix },
    async held() {
      const current = new GetSecretValueCommand({ ...secret, VersionStage: 'AWSCURRENT' });
      return JSON.parse((await client.send(current)).SecretString ?? '') as SecretData;
    },
    async written() {
      const all = new ListSecretVersionIdsCommand({ ...secret, IncludeDeprecated: true });
      return (await client.send(all)).Versions?.length ?? 0;
    },
    close() {
      client.destroy();
      return Promise.resolve();
    },
  });
}

export async function writtenToKubernetes(kube: Kube): Promise<Rotating> {
  const namespace = uniqueName('ns');
  await createNamespace(kube, namespace);
  const account = { namespace, serviceAccount: 'broker', audience: kube.issuer };
  await createServiceAccount(kube, namespace, 'broker');
  await grant(kube, { namespace, name: 'broker' }, [
    { apiGroups: [''], resources: ['secrets'], verbs: ['get', 'patch'] },
  ]);
  const [token, authority] = [
    await privateFile(await boundToken(kube, account)),
    await privateFile(kube.caPem),
  ];
  const secrets = `/api/v1/namespaces/${namespace}/secrets`;
  await kubeRequest(kube, 'POST', secrets, { metadata: { name: 'db' }, stringData: FIRST });
  return generatedAt('db', {
    connection: {
      type: 'kubernetes',
      server: kube.server,
      caFile: authority.path,
      tokenFile: token.path,
      locators: [`${namespace}/**`],
    },
    options: { namespace },
    async held() {
      const { body } = await kubeRequest(kube, 'GET', `${secrets}/db`);
      const { data } = body as { readonly data: Readonly<Record<string, string>> };
      const texts = Object.entries(data).map(([key, value]) => [
        key,
        Buffer.from(value, 'base64').toString(),
      ]);
      return Object.fromEntries(texts) as SecretData;
    },
    async close() {
      await token.remove();
      await authority.remove();
    },
  });
}
