import { readFile, rename } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { digestOf } from '../../../src/program/broker/config-reload.ts';
import { loadConfig } from '../../../src/program/config/load.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';

/** The change has parts that are used in different places: a limit and a connection. */
const CHANGED_LIMIT = 7;
const CHANGE = `limits: { batchItems: ${CHANGED_LIMIT} }\n`;

let broker: PreparedBroker;
let before: string;
let after: string;

beforeAll(async () => {
  broker = await PreparedBroker.start({ secrets: { 'own/db': { password: 's3cret' } } });
  before = await readFile(broker.installation.file('config.yaml'), 'utf8');
  const connection = `connections:\n  more: { type: jwks, file: ${broker.installation.file('jwks.json')} }`;
  after = `${before.replace('connections:', connection)}${CHANGE}`;
  await broker.installation.stop();
});
afterAll(() => broker.remove());

/** Replaces the configuration file as careful tools do: no reader sees a part of it. */
async function replace(text: string): Promise<void> {
  const { installation } = broker;
  await rename(await installation.write('config.new', text), installation.file('config.yaml'));
}

/** Names the configuration that the broker uses now: the whole of one file, judged by its digest and by its effect. */
async function inUse(): Promise<'before' | 'after'> {
  const { installation, operator: token } = broker;
  const { json } = await installation.call('GET', '/api/v1/configuration', { token });
  const items = Array.from({ length: CHANGED_LIMIT + 1 }, () => ({ path: 'own/db' }));
  const session = await broker.logInEarly();
  const batch = { token: session, body: { items } };
  const { status } = await installation.call('POST', '/api/v1/secrets:batch', batch);
  const isChanged = status === 400;
  const file = installation.file('expected.yaml');
  await installation.write('expected.yaml', isChanged ? after : before);
  expect(json).toMatchObject({ generation: 1, digest: digestOf(await loadConfig(file, {})) });
  return isChanged ? 'after' : 'before';
}

describe('a broker that is killed during a reload', () => {
  it.each(['store.before_commit', 'store.after_commit'])(
    'uses the whole new configuration after its restart: %s (F48)',
    async (point) => {
      await replace(before);
      await broker.startWithFailpoints();
      expect(await inUse()).toBe('before');
      await replace(after);
      await broker.arm(point, 'kill');
      broker.installation.signal('SIGHUP');
      expect(await broker.installation.ended()).toBeNull();
      await broker.installation.start();
      expect(await inUse()).toBe('after');
      await broker.installation.stop();
    },
  );

  it('uses the whole old or the whole new configuration, at whatever moment it is killed (F48)', async () => {
    const seen: string[] = [];
    for (const ms of [0, 4, 32]) {
      await replace(before);
      await broker.installation.start();
      // The kill meets the replacement of the file, the reading, the preparation, the change or its record.
      const replaced = ms === 0 ? Promise.resolve() : replace(after);
      broker.installation.signal('SIGHUP');
      await new Promise((resolve) => setTimeout(resolve, ms));
      expect(await broker.installation.stop('SIGKILL')).toBeNull();
      await replaced;
      const isNew = (await readFile(broker.installation.file('config.yaml'), 'utf8')) === after;
      await broker.installation.start();
      expect(await inUse()).toBe(isNew ? 'after' : 'before');
      seen.push(isNew ? 'after' : 'before');
      await broker.installation.stop();
    }
    expect(new Set(seen)).toEqual(new Set(['before', 'after']));
  });

  it('refuses to start with a file of which only a part was written, and names the place (F59)', async () => {
    await replace(after.slice(0, after.indexOf('connections:') + 20));
    await expect(broker.installation.start()).rejects.toThrow(/config\.yaml:\d+:\d+: /);
    await replace(after);
    await broker.installation.start();
    expect(await inUse()).toBe('after');
    expect(await broker.verifiedLog()).toContain('verified: ');
  });
});
