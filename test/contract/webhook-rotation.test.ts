import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import { importWebhookKey, signWebhook } from '../../src/crypto/signatures/webhook-signature.ts';
import type { SecretData } from '../../src/domain/secrets/secret.ts';
import type { RotationTarget } from '../../src/ports/rotation-target.ts';
import { openWebhook } from '../../src/providers/webhook/open.ts';
import { webhookConnectionSchema } from '../../src/providers/webhook/config.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { startWebhookReceiver, type WebhookReceiver } from '../kit/rotation/webhook-receiver.ts';
import {
  CARRIED,
  rotationTargetContract,
  turnOf,
  type RotationFixture,
  type RotationNames,
} from './rotation-target.contract.ts';
import { contextOf } from './secret-provider.contract.ts';
import { PATIENT } from '../kit/providers/longest-timeout.ts';

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
    limits: PATIENT,
  });
  const target = `accounts/${encode(account)}`;
  const connection = openWebhook('portal', config, {
    clock: systemClock,
    connection: 'backend',
  }).rotation;
  return connection.target('webhook', { target, ...options });
}

async function fixtureOf(options: object, names: RotationNames): Promise<RotationFixture> {
  const account = `${names.username ?? 'app'}${uniqueName('account')}`;
  const password = names.password ?? 'the password at first';
  await receiver.addAccount(account, password);
  await receiver.addAccount('bystander', 'another user');
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
  'an account with passwords that the receiver creates',
  (names = {}) => fixtureOf({ slots: 'two', drillable: true, makes: ['password'] }, names),
  { slots: 'two', drillable: true, hostless: true },
);

describe('a value that the receiver creates', () => {
  it('is the same when it is requested again for the same rotation', async () => {
    const { target, current } = await fixtureOf({ slots: 'two', makes: ['password'] }, {});
    const turn = turnOf(current);
    expect(await target.create(turn)).toEqual(await target.create(turn));
  });

  it('is requested only while the process owns the rotation', async () => {
    const { target, current } = await fixtureOf({ slots: 'two', makes: ['password'] }, {});
    await expect(target.create(turnOf(current, { lost: true }))).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'claim_lost',
    });
  });
});

describe('an account that the receiver does not know', () => {
  it("is a conflict with the receiver's reason", async () => {
    const target = attach('unknown', { slots: 'one' });
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

describe('the receiver of the documentation', () => {
  const BODY = Buffer.from(
    '{"version":1,"step":"test","target":"accounts/x","value":{"password":"p"}}',
  );

  async function signed(id: string, secondsAgo = 0): Promise<string> {
    const key = importWebhookKey((await readFile(receiver.secretFile, 'utf8')).trim())!;
    const at = Math.floor(Date.now() / 1000) - secondsAgo;
    return signWebhook(key, { direction: 'request', id, at, body: BODY });
  }

  async function post(signature: string | undefined, body = BODY): Promise<number | undefined> {
    const ca = await readFile(receiver.caFile, 'utf8');
    const headers = signature === undefined ? {} : { 'quaymaster-signature': signature };
    const { promise, resolve, reject } = Promise.withResolvers<number | undefined>();
    const outgoing = request(receiver.url, { method: 'POST', ca, headers, agent: false });
    outgoing.once('response', (response) => {
      response.resume().once('end', () => resolve(response.statusCode));
    });
    outgoing.once('error', reject);
    outgoing.end(body);
    return promise;
  }

  it('accepts a delivery once', async () => {
    const signature = await signed('dlv_once');
    expect([await post(signature), await post(signature)]).toEqual([200, 401]);
  });

  it('accepts one of four minutes ago, and none of six, before or after', async () => {
    expect(await post(await signed('dlv_four', 240))).toBe(200);
    expect(await post(await signed('dlv_six', 360))).toBe(401);
    expect(await post(await signed('dlv_ahead', -360))).toBe(401);
  });

  it('refuses a delivery with a wrong signature', async () => {
    const signature = await signed('dlv_wrong');
    expect(await post(undefined)).toBe(401);
    expect(await post(signature, Buffer.from(BODY.toString().replace('"p"', '"q"')))).toBe(401);
    expect(await post(signature.replace('dlv_wrong', 'dlv_other'))).toBe(401);
    expect(await post(signature)).toBe(200);
  });
});
