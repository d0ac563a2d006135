import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import type { Moto } from '../backends/moto.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { LossyProxy } from '../network/lossy-proxy.ts';
import { setCredentials } from './aws-connection.ts';
import { CARRIED_TEXTS } from '../../contract/rotation-target.contract.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

interface Request {
  readonly ClientRequestToken?: string;
  readonly VersionId?: string;
}

/**
 * A secret of moto that rotates by itself. moto runs no function, and makes an empty version current at once. This class stands in for AWS
 * and for the function, which generates a password for one database user like AWS's templates.
 */
export class OwnSecret {
  readonly name = `${uniqueName('own')}/db`;
  readonly first: SecretData = {
    ...CARRIED_TEXTS,
    username: 'app',
    password: uniqueName('password'),
  };
  /** The last value of the function. */
  made: SecretData = this.first;
  /** Requests RotateSecret and CancelRotateSecret that were received. */
  readonly asked: string[] = [];
  /** The version of the last requested rotation, unless it was cancelled. */
  token: string | undefined;
  /** Completes the function's first step before RotateSecret is answered. */
  makesAtOnce = false;
  /** Completes the other steps when a client reads the stages after the new value. */
  advancesAfterRead = false;
  readonly #client: SecretsManagerClient;
  readonly #proxy: LossyProxy;
  readonly #moto: Moto;
  #current = '';
  #isRead = false;
  /** The password of the database user. */
  #password = this.first['password'];

  private constructor(moto: Moto, proxy: LossyProxy) {
    const { endpoint, region } = moto;
    this.#client = new SecretsManagerClient({ region, endpoint });
    this.#moto = moto;
    this.#proxy = proxy;
    proxy.instead = ({ headers }, body) => {
      const operation = String(headers['x-amz-target']).replace(/^secretsmanager\./, '');
      return this.#answer(operation, JSON.parse(body.toString()) as Request);
    };
  }

  static async create(moto: Moto): Promise<OwnSecret> {
    setCredentials();
    const secret = new OwnSecret(moto, await LossyProxy.start({ address: moto.endpoint }));
    const SecretString = JSON.stringify(secret.first);
    const create = new CreateSecretCommand({ Name: secret.name, SecretString });
    secret.#current = (await secret.#client.send(create)).VersionId ?? '';
    return secret;
  }

  /** The connection for the configuration file. */
  get connection(): Readonly<Record<string, unknown>> {
    const { region } = this.#moto;
    const endpoint = this.#proxy.address;
    const type = 'aws-secrets-manager';
    return { type, region, endpoint, locators: ['**'], limits: PATIENT };
  }

  /** Reports whether the database accepts the login. */
  accepts(data: SecretData): boolean {
    return data['password'] === this.#password;
  }

  async current(): Promise<SecretData> {
    const request = { SecretId: this.name, VersionStage: 'AWSCURRENT' };
    const { SecretString = '' } = await this.#client.send(new GetSecretValueCommand(request));
    return JSON.parse(SecretString) as SecretData;
  }

  /** Describes the versions that have a stage, and the database's password. */
  async stages(): Promise<string> {
    const request = new DescribeSecretCommand({ SecretId: this.name });
    const { VersionIdsToStages = {} } = await this.#client.send(request);
    return JSON.stringify([Object.entries(VersionIdsToStages).sort(), this.#password]);
  }

  /** The number of all versions so far. */
  async versions(): Promise<number> {
    const request = { SecretId: this.name, IncludeDeprecated: true };
    const { Versions } = await this.#client.send(new ListSecretVersionIdsCommand(request));
    return Versions?.length ?? 0;
  }

  async createSecret(): Promise<void> {
    this.made = { ...(await this.current()), password: uniqueName('password') };
    const put = { ClientRequestToken: this.token, VersionStages: ['AWSPENDING'] };
    const SecretString = JSON.stringify(this.made);
    await this.#client.send(
      new PutSecretValueCommand({ SecretId: this.name, ...put, SecretString }),
    );
  }

  /** Does the steps setSecret, testSecret and finishSecret. */
  async finishSecret(): Promise<void> {
    this.#password = this.made['password'];
    const moved = { VersionStage: 'AWSCURRENT', MoveToVersionId: this.token };
    const from = { RemoveFromVersionId: this.#current };
    await this.#client.send(
      new UpdateSecretVersionStageCommand({ SecretId: this.name, ...moved, ...from }),
    );
    this.#current = this.token ?? '';
  }

  /** Completes the rotation in progress, if there is one. */
  async goOn(): Promise<void> {
    if (this.token !== undefined && this.token !== this.#current) await this.finishSecret();
  }

  async close(): Promise<void> {
    await this.#proxy.close();
    this.#client.destroy();
  }

  async #answer(operation: string, request: Request): Promise<object | undefined> {
    const { token } = this;
    if (operation === 'GetSecretValue') this.#isRead ||= request.VersionId === token;
    if (operation === 'DescribeSecret' && this.advancesAfterRead && this.#isRead) await this.goOn();
    if (operation !== 'RotateSecret' && operation !== 'CancelRotateSecret') return undefined;
    this.asked.push(operation);
    this.#isRead = false;
    this.token = operation === 'RotateSecret' ? request.ClientRequestToken : undefined;
    if (this.token !== undefined && this.makesAtOnce) await this.createSecret();
    return { Name: this.name, ...(this.token !== undefined && { VersionId: this.token }) };
  }
}
