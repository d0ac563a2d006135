import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../kit/backends/postgres.ts';
import { Sender } from '../kit/identity/proof-sender.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const VALUE = 'canary-2b7c90e1';
const PATH = '/api/v1/secrets/own/kept';

let database: TestDatabase;
let first: PreparedBroker;
let second: PreparedBroker;
const sender = new Sender();

/** Logs in with a proof, at the first broker. */
async function boundToken(): Promise<string> {
  const url = `${first.installation.url}/api/v1/sessions`;
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', DPoP: sender.proof({ method: 'POST', url }) },
    body: JSON.stringify({ cluster: 'c1', token: first.serviceAccountToken() }),
  });
  const { token } = (await response.json()) as { readonly token: string };
  return token;
}

function proofHeaders({ installation }: PreparedBroker, token: string): Record<string, string> {
  const proof = sender.proof({ method: 'GET', url: `${installation.url}${PATH}`, token });
  return { Authorization: `DPoP ${token}`, DPoP: proof };
}

function read(broker: PreparedBroker, headers: Record<string, string>): Promise<Response> {
  return fetch(`${broker.installation.url}${PATH}`, { headers });
}

/** The answers of a broker, with or without the session in memory, to each kind of request. */
async function expectBound(broker: PreparedBroker, token: string): Promise<void> {
  expect((await read(broker, { Authorization: `Bearer ${token}` })).status).toBe(401);
  expect((await read(broker, { Authorization: `DPoP ${token}` })).status).toBe(401);
  const stranger = new Sender().proof({
    method: 'GET',
    url: `${broker.installation.url}${PATH}`,
    token,
  });
  expect((await read(broker, { Authorization: `DPoP ${token}`, DPoP: stranger })).status).toBe(401);
  const headers = proofHeaders(broker, token);
  const answer = await read(broker, headers);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/jose']);
  const sealed = await answer.text();
  expect(sealed).not.toContain(VALUE);
  const { plaintext } = await sender.open(sealed);
  expect(Buffer.from(plaintext).toString()).toContain(VALUE);
  expect((await read(broker, headers)).status).toBe(401);
}

describeWith(['postgres'], 'a bound session at one of two brokers', ({ postgres }) => {
  let token: string;
  beforeAll(async () => {
    database = await createDatabase(postgres);
    first = await PreparedBroker.start({
      files: { dsn: database.connectionString },
      config: (directory) => ({
        store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
      }),
    });
    await first.write('own/kept', { value: VALUE });
    second = await first.replica();
    await second.installation.start();
    token = await boundToken();
  });
  afterAll(async () => {
    await first.remove();
    await second.remove();
    await database.drop();
  });

  it('is bound at both, also at the one that loads it from the store (O23)', async () => {
    await expectBound(second, token);
    await expectBound(first, token);
  });

  it('is bound to the address of the request: a proof for one broker is refused at the other', async () => {
    const headers = proofHeaders(first, token);
    expect((await read(second, headers)).status).toBe(401);
    expect((await read(first, headers)).status).toBe(200);
  });

  it('is bound after its broker was killed and started again (O23)', async () => {
    await first.installation.stop('SIGKILL');
    await first.installation.start();
    await expectBound(first, token);
  });
});
