import { spawnSync } from 'node:child_process';
import { cp, mkdir, rm } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runRelease, type ReleaseOptions } from '../../src/program/verbs/release.ts';
import { LEFT_OUT } from '../kit/backends/left-out.ts';
import { Installation } from '../kit/broker/installation.ts';

const canTrace = spawnSync('strace', ['-f', '-o', '/dev/null', 'true']).status === 0;
const describeTraced = canTrace ? describe : describe.skip;
const suffix = canTrace ? '' : ` (${LEFT_OUT}strace does not work here)`;

/** System calls by which the verb makes something durable: commits, the checkpoint file and its directory. */
const DURABLE = 'fsync,fdatasync,rename';
const MOST = 100;

let broker: Installation;
let admin: string;

beforeAll(async () => {
  broker = await Installation.make();
  await mkdir(broker.file('keys'), { recursive: true });
  await broker.configure({});
  admin = await broker.initialise();
  await broker.start();
  await broker.create(admin, '/mounts/own', { prefix: 'own', connection: 'embedded' });
  await broker.stop();
  await cp(broker.file('store'), broker.file('older'), { recursive: true });
  await broker.start();
  await broker.create(admin, '/mounts/late', { prefix: 'late', connection: 'embedded' });
  const { status } = await broker.call('DELETE', '/api/v1/mounts/own', {
    token: admin,
    headers: { 'if-match': '*' },
  });
  expect(status).toBe(204);
  await broker.stop();
  await broker.verb(
    'audit',
    'export',
    broker.file('newer'),
    '--config',
    broker.file('config.yaml'),
  );
  await cp(broker.file('keys'), broker.file('newest-keys'), { recursive: true });
});
afterAll(() => broker.remove());

/** The older copy of the store, with the checkpoint file of the newer one: the store is held. */
async function rollBack(): Promise<void> {
  await replace('older', 'store');
  await replace('newest-keys', 'keys');
}

async function replace(from: string, to: string): Promise<void> {
  await rm(broker.file(to), { recursive: true });
  await cp(broker.file(from), broker.file(to), { recursive: true });
}

const words = (): readonly string[] => [
  'release',
  '--config',
  broker.file('config.yaml'),
  '--comment',
  'rolled back',
];
const removing = (): readonly string[] => ['--apply-removals', broker.file('newer'), '--yes'];

/** @returns whether the verb ended before it did that many durable steps */
async function releaseKilledAt(step: number, ...more: readonly string[]): Promise<boolean> {
  const inject = `inject=${DURABLE}:signal=SIGKILL:when=${step}`;
  const trace = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${DURABLE}`, '-e', inject];
  return broker.verbBelow(['strace', ...trace], ...words(), ...more).then(
    () => true,
    () => false,
  );
}

/** Repeats the release as the verb does, without a process of its own: there is one for each durable step. @returns its text or its error */
async function repeat(removing: Partial<ReleaseOptions> = {}): Promise<string> {
  const options = { config: broker.file('config.yaml'), comment: 'rolled back', ...removing };
  return runRelease(options).catch((error: unknown) => String(error));
}

describeTraced(`a release that is killed${suffix}`, () => {
  it('is repeated after any durable step, and the log verifies across it (F40)', async () => {
    let step = 1;
    for (let isComplete = false; !isComplete; step += 1) {
      expect(step).toBeLessThan(MOST);
      await rollBack();
      isComplete = await releaseKilledAt(step);
      const repeated = await repeat();
      expect(repeated).toMatch(/^unlocked; |the store is not held/);
      expect(await broker.verifiedLog()).toMatch(/^verified: /);
    }
    // It was killed before the commit, between the commit and the checkpoint file, and after it.
    expect(step).toBeGreaterThan(4);
    await broker.start();
    await broker.stop();
  });

  it('has applied all removals of a newer log, or none and the store is still held', async () => {
    let step = 1;
    const outcomes = new Set<string>();
    for (let isComplete = false; !isComplete; step += 1) {
      expect(step).toBeLessThan(MOST);
      await rollBack();
      isComplete = await releaseKilledAt(step, ...removing());
      const repeated = await repeat({ applyRemovals: broker.file('newer'), yes: true });
      const [, found = 'unlocked'] =
        /documents deleted: 1, of which the store has (\d)/.exec(repeated) ?? [];
      expect(repeated).toMatch(found === 'unlocked' ? /nothing can be applied/ : /^unlocked; /);
      outcomes.add(found);
    }
    expect([...outcomes]).toEqual(expect.arrayContaining(['1', 'unlocked']));
    await broker.start();
    const { status } = await broker.call('GET', '/api/v1/mounts/own', { token: admin });
    expect(status).toBe(404);
    await broker.stop();
  });

  it.each([
    ['the removals', removing, 0],
    ['no removals', (): readonly string[] => [], 1],
  ])(
    'is repeated with the same log after a first one committed %s and left the checkpoint file',
    async (_what, first, found) => {
      await rollBack();
      await broker.verb(...words(), ...first());
      await replace('newest-keys', 'keys');
      const repeated = await broker.verb(...words(), ...removing());
      expect(repeated).toMatch(/^unlocked; /);
      expect(repeated).toContain(`documents deleted: 1, of which the store has ${found}`);
    },
  );
});
