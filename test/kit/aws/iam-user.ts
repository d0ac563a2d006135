import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  IAMClient,
  ListAccessKeysCommand,
  PutUserPolicyCommand,
} from '@aws-sdk/client-iam';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import type { Running } from '../backends/footprint.ts';
import { startMoto, type Moto } from '../backends/moto.ts';
import { uniqueName } from '../backends/unique-name.ts';
import type { MadeCredential, RotationSetup } from '../rotation/target-fixture.ts';
import { CARRIED } from '../../contract/rotation-target.contract.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

/** A moto that checks keys, signatures and rights. The environment has the broker's own key, as in docs/rotators/aws-iam.md. */
export async function strictMoto(): Promise<Running<Moto>> {
  const moto = await startMoto();
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: moto.accessKeyId,
    AWS_SECRET_ACCESS_KEY: moto.secretAccessKey,
  });
  const iam = new IAMClient({ region: moto.region, endpoint: moto.endpoint });
  await iam.send(new CreateUserCommand({ UserName: 'broker' }));
  const Statement = [{ Effect: 'Allow', Action: ['iam:*', 'sts:*'], Resource: '*' }];
  const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement });
  await iam.send(
    new PutUserPolicyCommand({ UserName: 'broker', PolicyName: 'rotate', PolicyDocument }),
  );
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: 'broker' }));
  iam.destroy();
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: AccessKey?.AccessKeyId,
    AWS_SECRET_ACCESS_KEY: AccessKey?.SecretAccessKey,
  });
  await fetch(`${moto.endpoint}/moto-api/reset-auth`, { method: 'POST', body: '0' });
  return moto;
}

export interface IamUser extends MadeCredential {
  readonly username: string;
  readonly iam: IAMClient;
}

/** A user with one access key. */
export function iamUser(
  { endpoint, region }: Moto,
  username = uniqueName('app'),
): RotationSetup<IamUser> {
  return {
    connection: {
      type: 'aws-iam',
      region,
      endpoint,
      stsEndpoint: endpoint,
      locators: ['users/*'],
      limits: PATIENT,
    },
    strategy: 'access-keys',
    options: { username },
    async make() {
      const iam = new IAMClient({ region, endpoint });
      await iam.send(new CreateUserCommand({ UserName: username }));
      const { AccessKey: key } = await iam.send(new CreateAccessKeyCommand({ UserName: username }));
      const keysOf = async (UserName: string): Promise<string> => {
        const { AccessKeyMetadata = [] } = await iam.send(new ListAccessKeysCommand({ UserName }));
        return JSON.stringify(AccessKeyMetadata.map(({ AccessKeyId: id, Status }) => [id, Status]));
      };
      return {
        username,
        iam,
        current: {
          ...CARRIED,
          accessKeyId: key?.AccessKeyId ?? '',
          secretAccessKey: key?.SecretAccessKey ?? '',
        },
        async logsIn({ accessKeyId, secretAccessKey }: SecretData) {
          const credentials = {
            accessKeyId: accessKeyId as string,
            secretAccessKey: secretAccessKey as string,
          };
          const listed = await keysOf(username);
          // moto does not check a key's status at its use.
          if (!listed.includes(`["${credentials.accessKeyId}","Active"]`)) return false;
          const client = new STSClient({ region, endpoint, credentials });
          try {
            await client.send(new GetCallerIdentityCommand({}));
            return true;
          } catch {
            return false;
          } finally {
            client.destroy();
          }
        },
        state: () => keysOf(username),
        bystanders: () => keysOf('broker'),
        close: () => {
          iam.destroy();
          return Promise.resolve();
        },
      };
    },
  };
}
