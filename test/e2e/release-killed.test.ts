import { spawnSync } from 'node:child_process';
import { cp, mkdir, rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LEFT_OUT } from '../kit/backends/left-out.ts';
import { Installation } from '../kit/broker/installation.ts';

const canTrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
const describeTraced = canTrace ? describe : describe.skip;
const suffix = canTrace ? '' : ` (${LEFT_OUT}strace does not work here)`;

/** System calls by which the verb makes something durable: commits, the checkpoint file and its directory. */
const DURABLE = 'fsync,fdatasync,rename';
const MOST = 100;

let broker: Installation;

beforeAll(async () => {
  broker = await Installation.make();
  await mkdir(broker.file('keys'), { recursive: true });
  await broker.configure({});
  const admin = await broker.initialise();
  await broker.start();
  await broker.create(admin, '/mounts/own', { prefix: 'own', connection: 'embedded' });
  await broker.stop();
  await cp(broker.file('store'), broker.file('older'), { recursive: true });
  await broker.start();
  await broker.create(admin, '/mounts/late', { prefix: 'late', connection: 'embedded' });
  await broker.stop();
  await cp(broker.file('keys'), broker.file('newest-keys'), { recursive: true });
});
afterAll(() => broker.remove());

/** The older copy of the store, with the checkpoint file of the newer one: the store is held. */
async function rollBack(): Promise<void> {
  for (const [from, to] of [
    ['older', 'store'],
    ['newest-keys', 'keys'],
  ] as const) {
    await rm(broker.file(to), { recursive: true });
    await cp(broker.file(from), broker.file(to), { recursive: true });
  }
}

const words = (): readonly string[] => [
  'release',
  '--config',
  broker.file('config.yaml'),
  '--comment',
  'rolled back',
];

/** @returns whether the verb ended before it did that many durable steps */
async function releaseKilledAt(step: number): Promise<boolean> {
  const inject = `inject=${DURABLE}:signal=SIGKILL:when=${step}`;
  const trace = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${DURABLE}`, '-e', inject];
  return broker.verbBelow(['strace', ...trace], ...words()).then(
    () => true,
    () => false,
  );
}

describeTraced(`a release that is killed${suffix}`, () => {
  it('is repeated after any durable step, and the log verifies across it (F40)', async () => {
    let step = 1;
    for (let isComplete = false; !isComplete; step += 1) {
      expect(step).toBeLessThan(MOST);
      await rollBack();
      isComplete = await releaseKilledAt(step);
      const repeated = await broker.verb(...words()).catch((error: unknown) => String(error));
      expect(repeated).toMatch(/^unlocked; |the store is not held/);
      const exported = broker.file(`export-${step}`);
      await broker.verb('audit', 'export', exported, '--config', broker.file('config.yaml'));
      expect(await broker.verb('audit', 'verify', exported)).toMatch(/^verified: /);
    }
    // It was killed before the commit, between the commit and the checkpoint file, and after it.
    expect(step).toBeGreaterThan(4);
    await broker.start();
  });
});
