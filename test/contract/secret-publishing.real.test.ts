import { CreateSecretCommand } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { kubeRequest } from '../kit/backends/kube-calls.ts';
import { openBaoCall } from '../kit/backends/openbao-calls.ts';
import {
  awsPublishing,
  kubernetesPublishing,
  kvPublishing,
  type AwsPublishing,
} from '../kit/rotation/publishing-fixtures.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';
import { secretPublishingContract } from './secret-publishing.contract.ts';

describeWith(['openbao'], 'OpenBao', ({ openbao }) => {
  secretPublishingContract('OpenBao KV v2', () => kvPublishing(openbao, 'kv-v2'), {
    createsMissing: true,
    textOnly: true,
  });
  secretPublishingContract('OpenBao KV v1', () => kvPublishing(openbao, 'kv-v1'), {
    unversioned: true,
    createsMissing: true,
    lastWins: true,
    textOnly: true,
  });

  it('writes one key of a KV secret, and leaves the others unchanged', async () => {
    const fixture = await kvPublishing(openbao, 'kv-v2');
    const { provider, path } = fixture;
    const api = `${path}/data/team/mixed`;
    const content = { port: 5432, on: true, nested: { n: 1 }, password: 'old' };
    await openBaoCall(openbao, 'POST', api, { data: content });
    const locator = provider.locate('x', { path: api, key: 'password' });
    const publish = (data: Record<string, string>) =>
      provider.publishing!.publish(locator, data, 'rot_1', contextOf());
    expect(await publish({ password: 'new' })).toEqual({ version: '2' });
    const stored = (await openBaoCall(openbao, 'GET', api)) as { data: { data: unknown } };
    expect(stored.data.data).toEqual({ ...content, password: 'new' });
    for (const data of [{ password: 'x', other: 'y' }, { other: 'y' }]) {
      expect(await failureOf(publish(data))).toMatchObject({ reason: 'one_key' });
    }
    const absent = provider.locate('x', { path: `${path}/data/team/absent`, key: 'password' });
    const nowhere = provider.publishing!.publish(absent, { password: 'x' }, 'r', contextOf());
    expect((await failureOf(nowhere)).code).toBe('ERR_NOT_FOUND');
    await fixture.close();
  });

  it('writes after a deleted version', async () => {
    const fixture = await kvPublishing(openbao, 'kv-v2');
    await fixture.put('deleted', { a: '1' });
    await openBaoCall(openbao, 'DELETE', `${fixture.path}/data/team/deleted`);
    const locator = fixture.provider.locate('deleted');
    const publishing = fixture.provider.publishing!;
    expect(await publishing.publish(locator, { a: '2' }, 'rot_1', contextOf())).toEqual({
      version: '2',
    });
    await fixture.close();
  });
});

describeWith(['moto'], 'moto', ({ moto }) => {
  secretPublishingContract('AWS Secrets Manager on moto', () => awsPublishing(moto), {
    // Its request token names the version before; the server itself has no compare-and-set.
    bytesAlone: true,
  });

  let aws: AwsPublishing;
  beforeAll(async () => {
    aws = await awsPublishing(moto);
  });
  afterAll(() => aws.close());
  const create = (name: string, text: string) =>
    aws.client.send(new CreateSecretCommand({ Name: aws.base + name, SecretString: text }));
  const publish = (locator: string, data: Record<string, string>) =>
    aws.provider.publishing!.publish(locator, data, 'rot_1', contextOf());

  it('keeps the form of a JSON secret, with the digits of its numbers', async () => {
    await create('json', '{"port": 5432, "big":12345678901234567890, "password":"old"}');
    const data = { port: '5432', big: '12345678901234567890', password: 'new' };
    await publish(aws.provider.locate('json'), data);
    expect(await aws.text('json')).toBe(
      '{"port":5432,"big":12345678901234567890,"password":"new"}',
    );
  });

  it('treats a value as current that is only written in another form', async () => {
    const { VersionId } = await create('spaced', '{ "password" : "p", "n": 1.50 }');
    const published = await publish(aws.provider.locate('spaced'), { n: '1.50', password: 'p' });
    expect(published.version).toBe(VersionId);
  });

  it('keeps plain text plain, unless it would be read as JSON', async () => {
    await create('plain', 'old');
    await publish(aws.provider.locate('plain'), { value: 'new' });
    expect(await aws.text('plain')).toBe('new');
    await publish(aws.provider.locate('plain'), { value: '{"a":"b"}' });
    expect(await aws.text('plain')).toBe(JSON.stringify({ value: '{"a":"b"}' }));
  });

  it('writes one member of a JSON secret, and leaves the others unchanged', async () => {
    await create('member', '{"n":1.0,"password":"old"}');
    const at = (ref: object) => aws.provider.locate('x', { name: `${aws.base}member`, ...ref });
    await publish(at({ jsonKey: 'password' }), { password: 'new' });
    expect(await aws.text('member')).toBe('{"n":1.0,"password":"new"}');
    const other = publish(at({ jsonKey: 'password' }), { password: 'x', user: 'y' });
    expect(await failureOf(other)).toMatchObject({ code: 'ERR_CONFLICT', reason: 'one_key' });
    const pinned = publish(at({ stage: 'AWSPREVIOUS' }), { password: 'x' });
    expect(await failureOf(pinned)).toMatchObject({ code: 'ERR_CONFLICT', reason: 'pinned' });
    await create('text', 'no json');
    const member = aws.provider.locate('x', { name: `${aws.base}text`, jsonKey: 'a' });
    expect((await failureOf(publish(member, { a: '1' }))).code).toBe('ERR_NOT_FOUND');
  });
});

describeWith(['kube'], 'kube-apiserver', ({ kube }) => {
  secretPublishingContract('Kubernetes', () => kubernetesPublishing(kube), {
    unversioned: true,
    keepsOthers: true,
  });

  it('refuses a Secret that is immutable, or that Kubernetes writes (N07)', async () => {
    const fixture = await kubernetesPublishing(kube);
    const { namespace, provider } = fixture;
    const make = async (name: string, more: object) => {
      const body = { metadata: { name, labels: { keep: 'me' } }, data: { a: 'MQ==' }, ...more };
      await kubeRequest(kube, 'POST', `/api/v1/namespaces/${namespace}/secrets`, body);
    };
    const publish = (rest: string, data = { a: '2' }) =>
      provider.publishing!.publish(provider.locate(rest), data, 'rot_1', contextOf());
    await make('fixed', { immutable: true });
    expect(await failureOf(publish('fixed'))).toMatchObject({
      code: 'ERR_CONFLICT',
      reason: 'immutable',
    });
    await make('boot', { type: 'bootstrap.kubernetes.io/token' });
    expect(await failureOf(publish('boot'))).toMatchObject({ reason: 'managed_secret' });
    await make('plain', {});
    await publish('plain/a');
    const path = `/api/v1/namespaces/${namespace}/secrets/plain`;
    const { body } = await kubeRequest(kube, 'GET', path);
    expect(body).toMatchObject({ metadata: { labels: { keep: 'me' } }, data: { a: 'Mg==' } });
    expect(await failureOf(publish('plain/b'))).toMatchObject({ reason: 'one_key' });
    await fixture.close();
  });
});
