import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import { bearer, BrokerClient } from '../src/client/index.ts';
import { createSecret } from '../test/kit/backends/kube-objects.ts';
import { startMoto } from '../test/kit/backends/moto.ts';
import { createAwsSecret } from './servers/aws-secret.ts';
import type { Figure, MemoryName } from './figures.ts';
import { LOAD_CORE, on, residentMegabytes } from './machine.ts';
import { resultAlone, type Result } from './result.ts';
import { SECRET, SERVICE_ACCOUNT } from './sample.ts';
import { startBroker, type Broker } from './servers/broker.ts';
import { awsConnection, kubeConnection, vaultConnection } from './servers/connections.ts';
import {
  BATCH_BODY,
  seed,
  logIn,
  loginBody,
  mountVault,
  putMount,
  registerReviewed,
} from './servers/seed.ts';
import { startPeer } from './servers/open-bao.ts';
import { offlinePods, realPods } from './servers/pods.ts';
import type { Stage } from './stage.ts';

export interface MemoryOptions {
  readonly sessions: number;
  readonly settleSeconds: number;
}

const PODS = 100;

/** Measures one figure of resident memory on a separate broker, a while after the last request. */
export async function memoryResult(
  stage: Stage,
  figure: Figure<MemoryName>,
  options: MemoryOptions,
): Promise<Result> {
  const broker = await MEASURED[figure.name](stage, options);
  await pause(options.settleSeconds * 1000);
  const ours = residentMegabytes(broker.pid);
  return resultAlone(figure, 'MB resident', [ours]);
}

const MEASURED: Readonly<
  Record<MemoryName, (stage: Stage, options: MemoryOptions) => Promise<Broker>>
> = { 'memory-idle': idle, 'memory-connections': everyConnection, 'memory-loaded': loaded };

async function idle(stage: Stage): Promise<Broker> {
  const directory = join(stage.directory, 'idle');
  return stage.own(startBroker({ directory, connections: {} }));
}

async function everyConnection(stage: Stage): Promise<Broker> {
  const offline = await offlinePods(stage.directory, 1);
  const moto = await on(LOAD_CORE, () => stage.own(startMoto()));
  const pods = await realPods(stage, 1);
  const peer = await startPeer(stage);
  const { namespace } = SERVICE_ACCOUNT;
  await createAwsSecret(moto, 'bench/mail', JSON.stringify(SECRET));
  await createSecret(pods.kube, namespace, SECRET, 'billing');
  const broker = await stage.own(
    startBroker({
      directory: join(stage.directory, 'every-connection'),
      connections: {
        issuer: { type: 'jwks', file: offline.keySetFile },
        vault: await vaultConnection(stage, peer),
        kube: await kubeConnection(stage, pods),
        aws: awsConnection(moto),
      },
      environment: {
        AWS_ACCESS_KEY_ID: moto.accessKeyId,
        AWS_SECRET_ACCESS_KEY: moto.secretAccessKey,
      },
    }),
  );
  const { operator, url } = broker;
  await seed(operator);
  await mountVault(operator);
  await registerReviewed(operator, pods);
  await putMount(operator, 'aws', {
    prefix: 'aws',
    connection: 'aws',
    options: { namePrefix: 'bench/' },
  });
  await putMount(operator, 'kube', {
    prefix: 'kube',
    connection: 'kube',
    options: { namespace },
  });
  const client = new BrokerClient({ url });
  const workload = client.as(bearer(await logIn(url, offline)));
  for (const path of ['own/bench/db0', 'vault/db', 'aws/mail', 'kube/billing']) {
    await workload.call('readSecret', { path: { path } });
  }
  client.close();
  return broker;
}

async function loaded(stage: Stage, { sessions }: MemoryOptions): Promise<Broker> {
  const offline = await offlinePods(stage.directory, PODS);
  const broker = await stage.own(
    startBroker({
      directory: join(stage.directory, 'loaded'),
      connections: { issuer: { type: 'jwks', file: offline.keySetFile } },
    }),
  );
  await seed(broker.operator);
  await on(LOAD_CORE, () => openSessions(broker.url, offline.tokens, sessions));
  return broker;
}

const CALLERS = 32;
const opened = z.object({ token: z.string() });

/** Opens one session per pod, with ten leases in each. */
async function openSessions(
  url: string,
  tokens: readonly string[],
  sessions: number,
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let index = next++; index < sessions; index = next++) {
      const body = loginBody('offline', tokens[index % tokens.length] ?? '');
      const { token } = opened.parse(JSON.parse(await post(agent, `${url}/api/v1/sessions`, body)));
      await post(agent, `${url}/api/v1/secrets:batch`, BATCH_BODY, token);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  agent.destroy();
}

export function post(agent: Agent, url: string, body: string, token?: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const headers = {
    'content-type': 'application/json',
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
  };
  const outgoing = request(url, { agent, method: 'POST', headers }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => (text += chunk));
    response.on('error', reject);
    response.on('end', () => {
      const isDone = response.statusCode === 200 || response.statusCode === 201;
      if (isDone && !text.includes('"error":')) resolve(text);
      else reject(new Error(`POST ${url}: ${response.statusCode} ${text.slice(0, 500)}`));
    });
  });
  outgoing.on('error', reject);
  outgoing.end(body);
  return promise;
}
