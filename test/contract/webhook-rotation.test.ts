import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/clock.ts';
import type { SecretData } from '../../src/domain/secret.ts';
import type { RotationTarget } from '../../src/ports/rotation-target.ts';
import { connectWebhook } from '../../src/rotation/webhook/connection.ts';
import { webhookConnectionSchema } from '../../src/upstream/webhook/config.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../support/webhook-receiver.ts';
import {
  CARRIED,
  rotationTargetContract,
  turnOf,
  type RotationFixture,
  type RotationNames,
} from './rotation-target.contract.ts';
import { contextOf } from './secret-provider.contract.ts';

let receiver: WebhookReceiver;
beforeAll(async () => {
  receiver = await startWebhookReceiver();
});
afterAll(() => receiver.stop());

const encode = (name: string): string =>
  encodeURIComponent(name).replaceAll(
    /[!'()*]/g,
    (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`,
  );

function attach(account: string, options: object): RotationTarget {
  const { url, secretFile, caFile } = receiver;
  const config = webhookConnectionSchema.parse({
    type: 'webhook',
    url,
    secretFile,
    tls: { caFile },
    allowPrivateAddresses: true,
    locators: ['accounts/*'],
  });
  const target = `accounts/${encode(account)}`;
  const connection = connectWebhook('portal', config, { clock: systemClock });
  return connection.target('webhook', { target, ...options });
}

async function fixtureOf(options: object, names: RotationNames): Promise<RotationFixture> {
  const account = `${names.username ?? 'app'}${uniqueName('account')}`;
  const password = names.password ?? 'the password at first';
  await receiver.addAccount(account, password);
  await receiver.addAccount('bystander', 'somebody else');
  return {
    target: attach(account, options),
    current: { ...CARRIED, username: account, password },
    restart: () => Promise.resolve(attach(account, options)),
    logsIn: (data: SecretData) => receiver.accepts(account, data['password'] as string),
    state: () => receiver.state(),
    bystanders: async () => {
      const { bystander } = JSON.parse(await receiver.state()) as Record<string, unknown>;
      return JSON.stringify(bystander);
    },
    close: () => Promise.resolve(),
  };
}

rotationTargetContract(
  'an account with one password behind a webhook',
  (names = {}) => fixtureOf({ slots: 'one' }, names),
  { slots: 'one', drillable: false, hostless: true },
);
rotationTargetContract(
  'an account with two passwords behind a webhook',
  (names = {}) => fixtureOf({ slots: 'two', drillable: true, password: { length: 40 } }, names),
  { slots: 'two', drillable: true, hostless: true },
);
rotationTargetContract(
  'an account whose passwords the receiver makes',
  (names = {}) => fixtureOf({ slots: 'two', drillable: true, makes: ['password'] }, names),
  { slots: 'two', drillable: true, hostless: true },
);

describe('a value that the receiver makes', () => {
  it('is the same when it is asked for again for the same rotation', async () => {
    const { target, current } = await fixtureOf({ slots: 'two', makes: ['password'] }, {});
    const turn = turnOf(current);
    expect(await target.create(turn)).toEqual(await target.create(turn));
  });

  it('is asked for only while the rotation is ours', async () => {
    const { target, current } = await fixtureOf({ slots: 'two', makes: ['password'] }, {});
    await expect(target.create(turnOf(current, { lost: true }))).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'claim_lost',
    });
  });
});

describe('an account that the receiver does not know', () => {
  it('is a conflict with its word for it', async () => {
    const target = attach('nobody', { slots: 'one' });
    const turn = turnOf({ password: 'old' });
    await expect(target.set(turn, { password: 'new' })).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'not_found',
    });
    await expect(target.test({ password: 'new' }, contextOf())).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
    });
  });
});
