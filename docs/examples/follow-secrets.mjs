// A workload on the client library: node follow-secrets.mjs PATH…
// It logs in with its pod's token, reads the secrets, waits until one of them changes, reads it again and acknowledges it.
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { BrokerClient, WorkloadSession } from '@quaymaster/client';

const { QUAYMASTER_URL, QUAYMASTER_CLUSTER, QUAYMASTER_TOKEN_FILE, QUAYMASTER_CA_FILE } =
  process.env;
const paths = process.argv.slice(2);

/** The kubelet replaces the file long before its token expires, so the program reads it each time. */
const podToken = async () => (await readFile(QUAYMASTER_TOKEN_FILE, 'utf8')).trim();

const ca = QUAYMASTER_CA_FILE && (await readFile(QUAYMASTER_CA_FILE, 'utf8'));
const client = new BrokerClient({ url: QUAYMASTER_URL, ca: ca || undefined });
const login = { cluster: QUAYMASTER_CLUSTER, token: await podToken(), sealed: true };
const session = await WorkloadSession.logIn(client, login);

const { body } = await session.client.call('readSecrets', {
  body: { items: paths.map((path) => ({ path })) },
});
for (const item of body.items) {
  // item.data has the values: give them to the application, print none.
  console.log(
    'error' in item ? `${item.path} ${item.error.code}` : `${item.path} version ${item.version}`,
  );
}

for await (const { event, data } of session.client.events()) {
  if (event === 'ready') console.log('following');
  if (event !== 'secret.changed') continue;
  const { body: secret } = await session.client.call('readSecret', { path: data });
  console.log(`${secret.path} changed, version ${secret.version}`);
  const items = [{ path: secret.path, version: secret.version }];
  await session.client.call('acknowledge', { body: { items } });
  break;
}

await session.renew(await podToken());
console.log('renewed');
await session.end();
client.close();
