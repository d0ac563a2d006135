import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { systemClock } from '../../src/clock.ts';
import type { RotationConnection, RotationTarget } from '../../src/ports/rotation-target.ts';
import { awsSecretsManagerConnectionSchema } from '../../src/providers/aws-secrets-manager/config.ts';
import {
  connectAwsSecretsManager,
  type AwsSecretsConnection,
} from '../../src/providers/aws-secrets-manager/connection.ts';
import { connectOwnRotation } from '../../src/rotation/aws/own-connection.ts';
import { describeWith } from '../backends/backends.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { LossyProxy } from '../support/lossy-proxy.ts';
import { REGION, setCredentials } from '../unit/providers/aws/aws-connection.ts';
import { turnOf } from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

const OLD = { username: 'app', password: 'old' };
const NEW = { username: 'app', password: 'new' };

/** moto runs no function, and makes an empty version current at once: this stands in for AWS's part and the function's, one step at a time, on moto's secret. */
class StandIn {
  readonly asked: string[] = [];
  token: string | undefined;
  readonly #client: SecretsManagerClient;
  readonly #name: string;
  readonly #first: string;

  constructor(client: SecretsManagerClient, name: string, first: string) {
    this.#client = client;
    this.#name = name;
    this.#first = first;
  }

  /** RotateSecret and CancelRotateSecret, as AWS answers them. */
  answer(operation: string, body: { readonly ClientRequestToken?: string }): object | undefined {
    if (operation !== 'RotateSecret' && operation !== 'CancelRotateSecret') return undefined;
    this.asked.push(operation);
    this.token = operation === 'RotateSecret' ? body.ClientRequestToken : undefined;
    return { Name: this.#name, ...(this.token !== undefined && { VersionId: this.token }) };
  }

  async createSecret(): Promise<void> {
    const put = { ClientRequestToken: this.token, VersionStages: ['AWSPENDING'] };
    const SecretString = JSON.stringify(NEW);
    await this.#client.send(
      new PutSecretValueCommand({ SecretId: this.#name, ...put, SecretString }),
    );
  }

  async finishSecret(): Promise<void> {
    const current = { VersionStage: 'AWSCURRENT', MoveToVersionId: this.token };
    const from = { RemoveFromVersionId: this.#first };
    await this.#client.send(
      new UpdateSecretVersionStageCommand({ SecretId: this.#name, ...current, ...from }),
    );
  }
}

describeWith(['moto'], "AWS's own rotation", ({ moto }) => {
  let client: SecretsManagerClient;
  let proxy: LossyProxy;
  let connection: AwsSecretsConnection;
  let rotation: RotationConnection;
  let target: RotationTarget;
  let standIn: StandIn;
  let name: string;
  const current = async (): Promise<unknown> => {
    const request = { SecretId: name, VersionStage: 'AWSCURRENT' };
    const { SecretString } = await client.send(new GetSecretValueCommand(request));
    return JSON.parse(SecretString ?? '');
  };

  beforeEach(async () => {
    setCredentials();
    name = `${uniqueName('own')}/db`;
    client = new SecretsManagerClient({ region: REGION, endpoint: moto.endpoint });
    const SecretString = JSON.stringify(OLD);
    const { VersionId = '' } = await client.send(
      new CreateSecretCommand({ Name: name, SecretString }),
    );
    standIn = new StandIn(client, name, VersionId);
    proxy = await LossyProxy.start({ address: moto.endpoint });
    proxy.instead = ({ headers }, body) => {
      const operation = String(headers['x-amz-target']).replace(/^secretsmanager\./, '');
      const sent = JSON.parse(body.toString()) as { ClientRequestToken?: string };
      return Promise.resolve(standIn.answer(operation, sent));
    };
    const config = awsSecretsManagerConnectionSchema.parse({
      type: 'aws-secrets-manager',
      region: REGION,
      endpoint: proxy.address,
      locators: ['**'],
    });
    connection = await connectAwsSecretsManager('aws', config, { clock: systemClock });
    rotation = connectOwnRotation('aws', (secret) => connection.rotationOf(secret));
    target = rotation.target('own-rotation', { name });
  });
  afterEach(async () => {
    await connection.close();
    await proxy.close();
    client.destroy();
  });

  it('is started once, and followed until the new version is current', async () => {
    const turn = turnOf(OLD);
    expect(target.locators).toEqual([name]);
    expect(await failureOf(target.create(turn))).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
      reason: 'not_yet',
      retryAfterSeconds: 10,
    });
    await standIn.createSecret();
    const pending = await target.create(turn);
    expect(pending).toEqual(NEW);
    expect(standIn.asked).toEqual(['RotateSecret']);
    expect(await failureOf(target.set(turn, pending))).toMatchObject({ reason: 'not_yet' });
    expect(await target.test(pending, contextOf())).toEqual({
      accepted: false,
      reason: 'not_current',
    });
    await standIn.finishSecret();
    await target.set(turn, pending);
    await target.set(turn, pending);
    expect(await target.test(pending, contextOf())).toEqual({ accepted: true });
    const provider = connection.mount({});
    const published = await provider.publishing!.publish(name, pending, 'rot_1', contextOf());
    expect(published.version).toBe(standIn.token);
    await target.retire(turnOf(pending), OLD);
    expect(await failureOf(target.retire(turnOf(pending), pending))).toMatchObject({
      reason: 'still_current',
    });
    expect(await current()).toEqual(NEW);
  });

  it('is called off while it is under way, so that the next one can begin', async () => {
    const turn = turnOf(OLD);
    await failureOf(target.create(turn));
    await standIn.createSecret();
    const pending = await target.create(turn);
    const lost = turnOf(OLD, { lost: true, rotationId: turn.rotationId });
    expect(await failureOf(target.discard(lost, pending))).toMatchObject({ reason: 'claim_lost' });
    const other = turnOf(OLD);
    expect(await failureOf(target.create(other))).toMatchObject({ reason: 'rotation_under_way' });
    await target.discard(turn, pending);
    await target.discard(turn, pending);
    expect(standIn.asked).toEqual(['RotateSecret', 'CancelRotateSecret']);
    expect(await failureOf(target.set(turn, pending))).toMatchObject({ reason: 'ended_at_aws' });
    expect(await current()).toEqual(OLD);
    expect(await failureOf(target.create(other))).toMatchObject({ reason: 'not_yet' });
    expect(standIn.asked).toHaveLength(3);
  });

  it('cannot be taken back once the new version is current', async () => {
    const turn = turnOf(OLD);
    await failureOf(target.create(turn));
    await standIn.createSecret();
    await standIn.finishSecret();
    const pending = await target.create(turn);
    expect(await failureOf(target.discard(turn, pending))).toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'no_way_back',
    });
    expect(await current()).toEqual(NEW);
  });

  it('is not started where the claim is lost, and not for what is no secret', async () => {
    const lost = turnOf(OLD, { lost: true });
    expect(await failureOf(target.create(lost))).toMatchObject({ reason: 'claim_lost' });
    expect(standIn.asked).toEqual([]);
    expect(() => rotation.target('single-user', { name })).toThrow('not valid');
    for (const wrong of ['', '/a', 'a//b', 'a/', 'a?b', 'a#b']) {
      expect(() => rotation.target('own-rotation', { name: wrong })).toThrow('not valid');
    }
  });
});
