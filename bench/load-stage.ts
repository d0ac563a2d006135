import { join } from 'node:path';
import type { VariantName } from './figures.ts';
import type { Variant } from './rounds.ts';
import { startBroker, type Broker } from './servers/broker.ts';
import {
  BATCH_BODY,
  seed,
  logIn,
  loginBody,
  mountVault,
  ONE_FIELD_PATH,
  OWN_PATHS,
  registerReviewed,
  VAULT_PATH,
} from './servers/seed.ts';
import {
  BATCH_ROLE,
  enableJwtLogin,
  enableKubernetesLogin,
  ROLE,
  startPeer,
  type Peer,
} from './servers/open-bao.ts';
import { offlinePods, realPods, type OfflinePods, type RealPods } from './servers/pods.ts';
import { startRawHttp } from './servers/raw-http.ts';
import type { Stage } from './stage.ts';
import { kubeConnection, vaultConnection } from './servers/connections.ts';

const READERS = 64;
const LOGINS = 16;
/** Number of tokens that suffices for no login to use one while an earlier login with the same token is in flight. */
const OFFLINE_TOKENS = 500;
const REVIEWED_TOKENS = 200;

interface Servers {
  readonly offline: OfflinePods;
  readonly broker: Broker;
  readonly session: string;
  /** Another build with the same secrets, sessions and limits. */
  readonly before?: { readonly broker: Broker; readonly session: string };
  readonly peer?: Peer;
  readonly pods?: RealPods;
}

/** Starts each server that the variants need once, and returns the loads. */
export async function setUp(
  stage: Stage,
  wanted: ReadonlySet<VariantName>,
  mainBefore?: string,
): Promise<readonly Variant[]> {
  const current = await startServers(stage, wanted);
  const servers =
    mainBefore === undefined
      ? current
      : { ...current, before: await startBefore(stage, current.offline, mainBefore) };
  const variants: Variant[] = [];
  for (const name of wanted) variants.push(await variant(stage, servers, name));
  return variants;
}

async function startServers(stage: Stage, wanted: ReadonlySet<VariantName>): Promise<Servers> {
  const offline = await offlinePods(stage.directory, OFFLINE_TOKENS);
  const isReviewed = wanted.has('login-review') || wanted.has('openbao-login-kubernetes');
  const isPeered = [...wanted].some(
    (name) => name.startsWith('openbao') || name === 'read-vault-cached',
  );
  const pods = isReviewed ? await realPods(stage, REVIEWED_TOKENS) : undefined;
  const peer = isPeered ? await startPeer(stage) : undefined;
  const broker = await stage.own(
    startBroker({
      directory: join(stage.directory, 'broker'),
      vaultMounts: wanted.has('vault-read')
        ? { own: { engine: 'kv-v2', prefix: 'own' } }
        : undefined,
      connections: {
        issuer: { type: 'jwks', file: offline.keySetFile },
        ...(peer && { vault: await vaultConnection(stage, peer) }),
        ...(pods && { kube: await kubeConnection(stage, pods) }),
      },
    }),
  );
  await seed(broker.operator);
  if (peer !== undefined) await mountVault(broker.operator);
  if (pods !== undefined) await registerReviewed(broker.operator, pods);
  if (peer !== undefined) await enableJwtLogin(peer, offline);
  if (peer !== undefined && pods !== undefined) await enableKubernetesLogin(peer, pods);
  const session = await logIn(broker.url, offline);
  return { offline, broker, session, ...(peer && { peer }), ...(pods && { pods }) };
}

async function startBefore(
  stage: Stage,
  offline: OfflinePods,
  main: string,
): Promise<NonNullable<Servers['before']>> {
  const broker = await stage.own(
    startBroker({
      directory: join(stage.directory, 'before'),
      connections: { issuer: { type: 'jwks', file: offline.keySetFile } },
      main,
    }),
  );
  await seed(broker.operator);
  return { broker, session: await logIn(broker.url, offline) };
}

async function variant(stage: Stage, servers: Servers, name: VariantName): Promise<Variant> {
  const isBefore = name.endsWith('-before');
  const { broker, session } = isBefore ? beforeOf(servers) : servers;
  const { offline, pods } = servers;
  const bearer = { Authorization: `Bearer ${session}` };
  const api = `${broker.url}/api/v1`;
  const ours = (path: string): Variant => ({
    name,
    pid: broker.pid,
    load: { url: `${api}/${path}`, connections: READERS, headers: bearer },
  });
  const posts = async (
    server: { readonly pid: number },
    url: string,
    bodies: readonly string[],
  ): Promise<Variant> => {
    const bodiesFile = await stage.write(`${name}.bodies`, `${bodies.join('\n')}\n`);
    return { name, pid: server.pid, load: { url, connections: LOGINS, headers: {}, bodiesFile } };
  };
  const reviewed = pods?.tokens ?? [];
  switch (name) {
    case 'raw-http': {
      const raw = await stage.own(startRawHttp(stage.directory));
      return { name, pid: raw.pid, load: { url: raw.url, connections: READERS, headers: {} } };
    }
    case 'read-embedded':
    case 'read-before':
      return ours(`secrets/${OWN_PATHS[0]}`);
    case 'read-one-field':
      return ours(`secrets/${ONE_FIELD_PATH}`);
    case 'read-vault-cached':
      return ours(`secrets/${VAULT_PATH}`);
    case 'vault-read': {
      const url = `${broker.vaultUrl}/v1/${OWN_PATHS[0]?.replace('own/', 'own/data/')}`;
      const headers = { 'X-Vault-Token': session };
      return { name, pid: broker.pid, load: { url, connections: READERS, headers } };
    }
    case 'batch-of-ten':
    case 'batch-before': {
      const batch = ours('secrets:batch');
      const bodiesFile = await stage.write(`${name}.bodies`, `${BATCH_BODY}\n`);
      return { ...batch, load: { ...batch.load, bodiesFile } };
    }
    case 'login-offline':
    case 'login-before':
      return posts(
        broker,
        `${api}/sessions`,
        offline.tokens.map((token) => loginBody('offline', token)),
      );
    case 'login-es256':
      return posts(
        broker,
        `${api}/sessions`,
        offline.es256Tokens.map((token) => loginBody('offline', token)),
      );
    case 'login-review':
      return posts(
        broker,
        `${api}/sessions`,
        reviewed.map((token) => loginBody('reviewed', token)),
      );
    case 'openbao-read':
      return peerRead(servers, name, 'db');
    case 'openbao-read-one-field':
      return peerRead(servers, name, 'one');
    case 'openbao-login-jwt':
    case 'openbao-login-batch': {
      const role = name === 'openbao-login-batch' ? BATCH_ROLE : ROLE;
      return posts(
        peerOf(servers),
        `${peerOf(servers).bao.address}/v1/auth/jwt/login`,
        offline.tokens.map((jwt) => peerLogin(jwt, role)),
      );
    }
    case 'openbao-login-kubernetes':
      return posts(
        peerOf(servers),
        `${peerOf(servers).bao.address}/v1/auth/kubernetes/login`,
        reviewed.map((jwt) => peerLogin(jwt, ROLE)),
      );
  }
}

function beforeOf({ before }: Servers): NonNullable<Servers['before']> {
  if (before === undefined) throw new Error('the build before was not started');
  return before;
}

function peerOf({ peer }: Servers): Peer {
  if (peer === undefined) throw new Error('OpenBao was not started');
  return peer;
}

function peerRead(servers: Servers, name: VariantName, secret: string): Variant {
  const { bao, pid, readerToken } = peerOf(servers);
  const headers = { 'X-Vault-Token': readerToken };
  const url = `${bao.address}/v1/secret/data/bench/${secret}`;
  return { name, pid, load: { url, connections: READERS, headers } };
}

function peerLogin(jwt: string, role: string): string {
  return JSON.stringify({ role, jwt });
}
