import {
  CreateAccessKeyCommand,
  DeleteAccessKeyCommand,
  ListAccessKeysCommand,
} from '@aws-sdk/client-iam';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import type { Moto } from '../backends/moto.ts';
import { createToken, mountEngine, openBaoCall } from '../backends/openbao-calls.ts';
import type { OpenBao } from '../backends/openbao.ts';
import { FakeVault } from '../fakes/fake-vault.ts';
import { iamUser, type IamUser } from '../aws/iam-user.ts';
import { privateFile, type MadeCredential, type RotationSetup } from './target-fixture.ts';
import { CARRIED } from '../../contract/rotation-target.contract.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

/** An access key in an answer of a static role of an AWS engine. */
interface StaticKey {
  readonly access_key: string;
  readonly secret_key: string;
}

/** An IAM user of moto that an AWS engine manages. */
export interface AwsRole extends MadeCredential {
  readonly username: string;
  /** Makes the engine create another key, unless it has a key other than `current` already. */
  makeNext(current: SecretData | undefined): Promise<void>;
}

/** The engine's external interface. */
interface Engine {
  readonly held: () => Promise<StaticKey>;
  readonly makeNext: () => Promise<void>;
  readonly close: () => Promise<void>;
}

async function adopted(user: IamUser, { held, makeNext, close }: Engine): Promise<AwsRole> {
  const { access_key: accessKeyId, secret_key: secretAccessKey } = await held();
  const { username, logsIn, state, bystanders } = user;
  return {
    username,
    logsIn,
    state,
    bystanders,
    current: { ...CARRIED, accessKeyId, secretAccessKey },
    async makeNext(current) {
      if ((await held()).access_key === current?.['accessKeyId']) await makeNext();
    },
    async close() {
      await close();
      await user.close();
    },
  };
}

const place = (
  address: string,
  engine: string,
  tokenFile: string,
): Omit<RotationSetup, 'make'> => ({
  connection: {
    type: 'vault',
    address,
    auth: { method: 'token', tokenFile },
    locators: [`${engine}/static-roles/*`],
    limits: PATIENT,
  },
  strategy: 'aws-static-role',
  options: { engine, role: 'app' },
});

/** The engine uses the credentials that `strictMoto` created. */
export async function configureAwsEngine(
  bao: OpenBao,
  engine: string,
  { region, endpoint }: Moto,
): Promise<void> {
  await openBaoCall(bao, 'POST', `${engine}/config/root`, {
    access_key: process.env['AWS_ACCESS_KEY_ID'],
    secret_key: process.env['AWS_SECRET_ACCESS_KEY'],
    region,
    iam_endpoint: endpoint,
    sts_endpoint: endpoint,
  });
}

export interface RealAwsRole extends RotationSetup<AwsRole> {
  readonly engine: string;
  /** The broker's token. */
  readonly token: string;
}

/**
 * A static role of Vault's own engine, in OpenBao, over a moto that checks signatures. The engine checks once a minute whether a key is
 * due. So the test forces the next key as an operator can: it deletes the role, which ends its key, and writes it again.
 */
export async function realAwsRole(bao: OpenBao, moto: Moto): Promise<RealAwsRole> {
  const engine = await mountEngine(bao, 'aws');
  const policy = `path "${engine}/static-creds/app" { capabilities = ["read"] }`;
  const token = await createToken(bao, policy);
  const file = await privateFile(token);
  const role = `${engine}/static-roles/app`;
  return {
    ...place(bao.address, engine, file.path),
    engine,
    token,
    async make() {
      const user = await iamUser(moto).make();
      await configureAwsEngine(bao, engine, moto);
      const write = () =>
        openBaoCall(bao, 'POST', role, { username: user.username, rotation_period: '60s' });
      await write();
      return adopted(user, {
        async held() {
          const answer = await openBaoCall(bao, 'GET', `${engine}/static-creds/app`);
          return (answer as { readonly data: StaticKey }).data;
        },
        async makeNext() {
          await openBaoCall(bao, 'DELETE', role);
          await write();
        },
        async close() {
          await openBaoCall(bao, 'DELETE', `sys/mounts/${engine}`);
          await file.remove();
        },
      });
    },
  };
}

/** Deletes, if a user has two keys, the one that the engine would delete before it creates another. */
async function makeRoom({ iam, username: UserName }: IamUser): Promise<void> {
  const { AccessKeyMetadata = [] } = await iam.send(new ListAccessKeysCommand({ UserName }));
  if (AccessKeyMetadata.length < 2) return;
  const [oldest] = AccessKeyMetadata.toSorted(
    (left, right) => Number(left.CreateDate) - Number(right.CreateDate),
  );
  await iam.send(new DeleteAccessKeyCommand({ UserName, AccessKeyId: oldest?.AccessKeyId }));
}

/**
 * A Vault whose engine creates the next key when the test ends a period, which takes at least a minute in a real one. The previous key
 * keeps working.
 */
export async function scriptedAwsRole(moto: Moto): Promise<RotationSetup<AwsRole>> {
  const vault = await FakeVault.start();
  const file = await privateFile('s.broker');
  return {
    ...place(vault.address, 'aws', file.path),
    async make() {
      const user = await iamUser(moto).make();
      let held: StaticKey;
      const makeNext = async (): Promise<void> => {
        await makeRoom(user);
        const { username: UserName } = user;
        const { AccessKey } = await user.iam.send(new CreateAccessKeyCommand({ UserName }));
        held = {
          access_key: AccessKey?.AccessKeyId ?? '',
          secret_key: AccessKey?.SecretAccessKey ?? '',
        };
        vault.staticKeys.set('app', { ...held });
      };
      await makeNext();
      return adopted(user, {
        held: () => Promise.resolve(held),
        makeNext,
        async close() {
          await vault.close();
          await file.remove();
        },
      });
    },
  };
}
