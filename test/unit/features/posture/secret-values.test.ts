import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { judgePosture } from '../../../../src/features/posture/judge-posture.ts';
import { SecretValueMemory } from '../../../../src/features/posture/secret-value-memory.ts';
import { destroySecret, writeSecret } from '../../../../src/broker/secrets/write-secret.ts';
import { secretValueWorker } from '../../../../src/features/posture/secret-value-worker.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import type { Worker } from '../../../../src/broker/kernel/worker.ts';
import { processFingerprint } from '../../../../src/crypto/hashes/process-fingerprint.ts';
import type { Workload } from '../../../../src/domain/identity/workload.ts';
import { ScriptedWatch, TestBroker } from '../../../kit/broker/test-broker.ts';
import { movedUntil } from '../../../kit/time/moved.ts';

const OLD = 'the-first-password';
const NEW = 'the-second-password';
const DENIED = 'ERR_POSTURE_DENIED gate: secret_value_in_environment';
const PENDING = 'ERR_POSTURE_PENDING gate: secret_value_in_environment';
const WEB: Workload = {
  cluster: 'c1',
  namespace: 'prod',
  serviceAccount: 'web',
  serviceAccountUid: 'sa',
  pod: { name: 'web-0', uid: 'u1' },
};

let broker: TestBroker;
let admin: LiveOperator;
let worker: Worker;

beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  const manifest = {
    metadata: { name: 'web-0', namespace: 'prod', uid: 'u1' },
    spec: {
      containers: [
        {
          name: 'web',
          image: 'web',
          env: [{ name: 'P', valueFingerprint: processFingerprint(OLD) }],
        },
      ],
    },
  };
  const watch = new ScriptedWatch();
  watch.pods.set('u1', {
    state: 'running',
    labels: new Map(),
    manifest: { read: () => manifest },
  });
  broker.watches.set('c1', watch);
  worker = secretValueWorker(broker.parts);
});
afterEach(async () => {
  await worker.stop();
  await broker.close();
});

const gate = (change: object = {}): Promise<void> =>
  broker.put(admin, 'posture-profile', 'gate', {
    mode: 'enforce',
    pod: { secretValuesInEnvironment: 'deny' },
    match: { secretPaths: ['app/**'] },
    ...change,
  });
const write = (password: string, path = 'app/db'): Promise<unknown> =>
  writeSecret(broker.parts, broker.call(), admin, { path, data: { password } });

function answer(): string {
  const { refusal } = judgePosture(broker.parts, WEB, 'app/db');
  return refusal === undefined ? 'allowed' : `${refusal.code} ${refusal.facts.posture}`;
}

async function untilAnswer(wanted: string): Promise<void> {
  await movedUntil(`the answer is ${wanted}`, { clock: broker.clock, stepMs: 500 }, () =>
    Promise.resolve(answer() === wanted),
  );
}

describe('a pod with the value of a secret in a variable', () => {
  it('is unknown until the values are read, and refused from then on', async () => {
    await write(OLD);
    await gate();
    expect(answer()).toBe(PENDING);
    worker.start();
    await untilAnswer(DENIED);
  });

  it('is allowed when the secret has another value, and refused when it has this one (EV10)', async () => {
    await gate();
    worker.start();
    await untilAnswer('allowed');
    await write(OLD);
    await untilAnswer(DENIED);
    await write(NEW);
    await untilAnswer('allowed');
    await write(OLD, 'app/copy');
    await untilAnswer(DENIED);
    await destroySecret(broker.parts, broker.call(), admin, { path: 'app/copy' });
    await untilAnswer('allowed');
  });

  it('is unknown while a value cannot be read, and the log says so (EV10)', async () => {
    await gate();
    worker.start();
    await untilAnswer('allowed');
    await write(OLD);
    await broker.store.real.commit({
      writes: [{ table: 'secrets', key: { path: 'app/db' }, change: { mac: new Uint8Array(32) } }],
    });
    await untilAnswer(PENDING);
    expect(JSON.stringify(broker.logged)).toContain('secret-values');
  });
});

it('keeps nothing unless a profile asks for it', async () => {
  await write(OLD);
  const { secretValues } = broker.parts;
  const fingerprint = processFingerprint(OLD);
  await gate();
  worker.start();
  await untilAnswer(DENIED);
  expect(secretValues.pathsOf(fingerprint)).toEqual(['app/db']);
  await gate({ pod: { ephemeralContainers: 'deny' } });
  await untilAnswer('allowed');
  await movedUntil('nothing is kept', { clock: broker.clock, stepMs: 500 }, () =>
    Promise.resolve(!secretValues.isLoaded),
  );
  expect(secretValues.pathsOf(fingerprint)).toEqual([]);
});

describe('the memory of values', () => {
  let memory: SecretValueMemory;
  beforeEach(() => {
    memory = new SecretValueMemory();
    memory.begin();
  });

  it('has the long texts of a secret, and every path of a value', () => {
    memory.keep('app/a', { one: OLD, two: OLD, three: 'short', four: { base64: btoa(NEW) } });
    memory.keep('app/b', { one: OLD });
    expect(memory.pathsOf(processFingerprint(OLD))).toEqual(['app/a', 'app/b']);
    expect(memory.pathsOf(processFingerprint('short'))).toEqual([]);
    expect(memory.pathsOf(processFingerprint(NEW))).toEqual([]);
    const before = memory.generation;
    memory.keep('app/b', { other: OLD });
    expect(memory.generation).toBe(before);
    memory.keep('app/a', undefined);
    expect(memory.pathsOf(processFingerprint(OLD))).toEqual(['app/b']);
  });

  it('is complete only after a load in which everything had room', () => {
    expect(memory.isComplete).toBe(false);
    memory.loaded();
    expect(memory.isComplete).toBe(true);
    for (let at = 0; at <= 100_000; at += 200) {
      const fields = Array.from({ length: 200 }, (_, field) => [
        field,
        `${at + field}-is-a-long-value`,
      ]);
      memory.keep(`app/${at}`, Object.fromEntries(fields));
    }
    expect(memory).toMatchObject({ isComplete: false, isFull: true });
    memory.begin();
    memory.loaded();
    expect(memory.isComplete).toBe(true);
  });

  it('starts again if more paths change than it remembers, also during a load', () => {
    for (let at = 0; at <= 10_000; at += 1) memory.changed(`app/${at}`);
    memory.keep('app/a', { one: OLD });
    memory.loaded();
    expect(memory.isLoaded).toBe(false);
    expect(memory.pathsOf(processFingerprint(OLD))).toEqual([]);
    expect(memory.takeChanged()).toEqual([]);
  });
});
