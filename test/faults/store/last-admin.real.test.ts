import { afterEach, describe, expect, it } from '@jest/globals';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase } from '../../kit/backends/postgres.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { until } from '../../kit/backends/until.ts';
import { records } from '../../kit/store/hooked-store.ts';
import type { Serving } from '../../../src/program/serving/serve.ts';
import type { Plan, Store } from '../../../src/ports/store.ts';

interface Admin {
  readonly name: string;
  readonly token: string;
}

async function call(
  { url }: Serving,
  method: string,
  path: string,
  { token, body, headers = {} }: { token: string; body?: object; headers?: object },
): Promise<{ readonly status: number; readonly body: unknown }> {
  const answer = await fetch(`${url}/api/v1/${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}

/** A new admin with a token. */
async function admin(broker: Serving, root: string, name: string): Promise<Admin> {
  const created = await call(broker, 'PUT', `operators/${name}`, {
    token: root,
    body: { grants: [{ role: 'admin' }] },
    headers: { 'if-none-match': '*' },
  });
  expect(created.status).toBe(201);
  const { body } = await call(broker, 'POST', `operators/${name}/tokens`, {
    token: root,
    body: {},
  });
  return { name, token: (body as { readonly token: string }).token };
}

/** Runs `work` before the first commit of `store` that records `action`: the plan was decided without what `work` commits. */
function before(store: Store, action: string, work: () => Promise<unknown>): void {
  const commit = store.commit.bind(store);
  store.commit = async (plan: Plan) => {
    if (!records(action)(plan)) return commit(plan);
    store.commit = commit;
    await work();
    return commit(plan);
  };
}

const remaining = async (brokers: readonly Serving[]): Promise<readonly (readonly string[])[]> =>
  Promise.all(
    brokers.map(async ({ broker: { parts } }) => {
      await parts.state.waitUntilCurrent();
      return parts.catalog.all('operator').map(({ name }) => name);
    }),
  );

const remove = (broker: Serving, by: Admin, name: string) =>
  call(broker, 'DELETE', `operators/${name}`, { token: by.token, headers: { 'if-match': '*' } });

const demote = (broker: Serving, by: Admin, name: string) =>
  call(broker, 'PUT', `operators/${name}`, {
    token: by.token,
    body: { grants: [{ role: 'auditor' }] },
    headers: { 'if-match': '*' },
  });

type Brokers = readonly [Serving, Serving];

/** Each admin deletes the other. The first deletion is decided, then the second one commits at the other broker, then the first one commits. */
async function deleteEachOther([one, other]: Brokers, ann: Admin, bob: Admin): Promise<void> {
  let second: Awaited<ReturnType<typeof remove>> | undefined;
  before(one.broker.parts.store, 'document.delete', async () => {
    second = await remove(other, bob, ann.name);
  });
  expect((await remove(one, ann, bob.name)).status).toBe(401);
  expect(second?.status).toBe(204);
  expect(await remaining([one, other])).toEqual([[bob.name], [bob.name]]);
}

/** Each admin deletes itself in the same way: the token of neither ends by the deletion of the other. */
async function deleteThemselves([one, other]: Brokers, ann: Admin, bob: Admin): Promise<void> {
  let second: Awaited<ReturnType<typeof remove>> | undefined;
  before(one.broker.parts.store, 'document.delete', async () => {
    second = await remove(other, bob, bob.name);
  });
  const first = await remove(one, ann, ann.name);
  expect(second?.status).toBe(204);
  expect([first.status, first.body]).toMatchObject([
    409,
    { detail: '"ann" is the last operator with the role admin; create another admin first' },
  ]);
  expect(await remaining([one, other])).toEqual([[ann.name], [ann.name]]);
}

/** Each gives up its own role at the same moment, without an order. */
async function demoteThemselves([one, other]: Brokers, ann: Admin, bob: Admin): Promise<void> {
  const answers = await Promise.all([demote(one, ann, ann.name), demote(other, bob, bob.name)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  const { parts } = one.broker;
  await parts.state.waitUntilCurrent();
  const admins = parts.catalog
    .all('operator')
    .filter(({ spec }) => spec.grants.some(({ role }) => role === 'admin'));
  expect(admins).toHaveLength(1);
}

const CASES = [
  ['delete each other', deleteEachOther],
  ['delete themselves', deleteThemselves],
  ['give up their own role', demoteThemselves],
] as const;

/** Leaves `ann` and `bob` as the only admins, and removes them at once. */
async function race(brokers: Brokers, root: string, remover: (typeof CASES)[number][1]) {
  const [one, other] = brokers;
  const [ann, bob] = [await admin(one, root, 'ann'), await admin(one, root, 'bob')];
  expect((await remove(one, ann, 'bootstrap')).status).toBe(204);
  await until('the other broker has the operators', async () => {
    const [names] = await remaining([other]);
    return names?.length === 2;
  });
  await remover(brokers, ann, bob);
}

describe('the last two admins', () => {
  let own: AttackedInstallation;
  let serving: Serving;
  afterEach(async () => {
    await serving.stop('test');
    await own.remove();
  });

  it.each(CASES)('leave one admin after %s at once on SQLite', async (_, remover) => {
    own = await AttackedInstallation.make();
    const token = await own.init();
    serving = await own.serve();
    await race([serving, serving], token, remover);
  });
});

describeWith(['postgres'], 'the last two admins', ({ postgres }) => {
  const cleanUps: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  it.each(CASES)(
    'leave one admin after %s at two brokers on one PostgreSQL',
    async (_, remover) => {
      const { connectionString, drop } = await createDatabase(postgres);
      const directory = await mkdtemp(join(tmpdir(), 'qm-admins-'));
      const connectionStringFile = join(directory, 'connection');
      await writeFile(connectionStringFile, connectionString, { mode: 0o600 });
      const store = { type: 'postgres', connectionStringFile };
      const one = await AttackedInstallation.make(() => ({ store }));
      cleanUps.push(
        drop,
        () => rm(directory, { recursive: true }),
        () => one.remove(),
      );
      const token = await one.init();
      const first = await one.serve();
      cleanUps.push(() => first.stop('test'));
      const two = await AttackedInstallation.make((own) => ({
        store,
        kek: { type: 'local-file', path: one.at('keys/kek') },
        audit: {
          logKeyFile: one.at('keys/log.pem'),
          checkpointFile: join(own, 'keys', 'checkpoint'),
        },
      }));
      cleanUps.push(() => two.remove());
      await mkdir(two.at('keys'), { mode: 0o700 });
      await copyFile(one.at('keys/checkpoint'), two.at('keys/checkpoint'));
      const second = await two.serve();
      cleanUps.push(() => second.stop('test'));
      await race([first, second], token, remover);
    },
  );
});
