import { IAMClient, ListUsersCommand } from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import type { Moto } from '../kit/backends/moto.ts';
import { mountEngine, openBaoCall, openBaoRequest } from '../kit/backends/openbao-calls.ts';
import type { OpenBao } from '../kit/backends/openbao.ts';
import { until } from '../kit/backends/until.ts';
import { configureAwsEngine } from '../kit/rotation/vault-aws-role.ts';
import {
  dynamicCredentialsContract,
  type CredentialsFixture,
} from './dynamic-credentials.contract.ts';
import { dynamicMount } from '../kit/providers/dynamic-mount.ts';
import { strictMoto } from '../kit/aws/iam-user.ts';

/** The policy of every user of the role. */
const POLICY = JSON.stringify({
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Action: 'sts:GetCallerIdentity', Resource: '*' }],
});

/** Vault's own AWS engine, in OpenBao, creates a user for each credential. */
async function iamUsers(bao: OpenBao, moto: Moto): Promise<CredentialsFixture> {
  const { region, endpoint } = moto;
  const engine = await mountEngine(bao, 'aws');
  await configureAwsEngine(bao, engine, moto);
  await openBaoCall(bao, 'POST', `${engine}/config/lease`, { lease: '10m', lease_max: '1h' });
  const role = { credential_type: 'iam_user', policy_document: POLICY };
  await openBaoCall(bao, 'POST', `${engine}/roles/readonly`, role);
  const { mount, close } = await dynamicMount(bao, engine, ['readonly']);
  const iam = new IAMClient({ region, endpoint });
  const live = async (): Promise<readonly string[]> => {
    const leases = `sys/leases/lookup/${engine}/creds/readonly`;
    const { body } = await openBaoRequest(bao, 'LIST', leases);
    const keys = (body as { data?: { keys?: string[] } }).data?.keys ?? [];
    const { Users = [] } = await iam.send(new ListUsersCommand({}));
    const names = Users.map(({ UserName = '' }) => UserName);
    const made = names.filter((name) => name.startsWith('vault-'));
    // A user without a lease would never expire; a lease without a user is still being cleaned up.
    return keys.length > made.length ? keys : made;
  };
  return {
    provider: await mount(),
    restart: mount,
    path: 'readonly',
    ref: { path: `${engine}/creds/readonly` },
    live,
    async works({ access_key, secret_key }) {
      const credentials = { accessKeyId: String(access_key), secretAccessKey: String(secret_key) };
      const client = new STSClient({ region, endpoint, credentials });
      return client
        .send(new GetCallerIdentityCommand({}))
        .then(
          () => true,
          () => false,
        )
        .finally(() => client.destroy());
    },
    settled: (expected) =>
      until(`${expected} live credentials`, async () => (await live()).length === expected),
    async close() {
      iam.destroy();
      await close();
    },
  };
}

describeWith(['openbao', 'moto'], "Vault's AWS engine", ({ openbao }) => {
  let moto: Running<Moto>;
  beforeAll(async () => {
    moto = await strictMoto();
  });
  afterAll(() => moto.stop());

  dynamicCredentialsContract('a role that makes IAM users', () => iamUsers(openbao, moto));
});
