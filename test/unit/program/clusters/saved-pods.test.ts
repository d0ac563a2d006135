import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { SavedPodFiles, type Registration } from '../../../../src/program/clusters/saved-pods.ts';
import { macRow, verifyRow } from '../../../../src/crypto/signatures/row-mac.ts';
import { importSecretKey } from '../../../../src/crypto/random/secret-key.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import type { SavedPod, SavedPods } from '../../../../src/ports/pod-watch.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const VECTOR = JSON.parse(readFileSync('test/vectors/saved-pods-v1.json', 'utf8')) as {
  readonly key: string;
  readonly registration: Registration;
  readonly savedAt: number;
  readonly pods: readonly { uid: string; labels: Record<string, string>; manifest: string }[];
  readonly text: string;
};
const { registration, savedAt } = VECTOR;
const PODS: readonly SavedPod[] = VECTOR.pods.map((pod) => ({
  ...pod,
  manifest: Buffer.from(pod.manifest, 'base64'),
}));
const key = importSecretKey(Buffer.from(VECTOR.key, 'hex'));
const NAME = `${registration.uid}.jsonl`;

let directory: string;
let warnings: string[];
let isSealed: boolean;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'saved-pods-'));
  warnings = [];
  isSealed = false;
});
afterEach(() => rm(directory, { recursive: true }));

function files(): SavedPodFiles {
  return new SavedPodFiles({
    checkpointFile: join(directory, 'checkpoint'),
    clock: new HandClock(savedAt),
    log: {
      info: () => undefined,
      warn: (_: object, message: string) => void warnings.push(message),
      error: () => undefined,
    },
    rows: {
      mac: (table, fields) => {
        if (isSealed) throw new BrokerError('ERR_SEALED');
        return macRow(key, table, fields);
      },
      verify: (table, fields, mac) => verifyRow(key, table, fields, mac),
    },
  });
}

async function* each(pods: readonly SavedPod[]): AsyncGenerator<SavedPod> {
  for (const pod of pods) yield await Promise.resolve(pod);
}

const path = (name = NAME): string => join(directory, 'checkpoint.pods', name);
const save = (pods = PODS, isGood = true): Promise<void> =>
  files().save(registration, each(pods), () => isGood);

async function loaded(as: Registration = registration): Promise<SavedPods | undefined> {
  return (await files().load([as])).get(as.cluster);
}

it('has the frozen bytes, and what was saved', async () => {
  await save();
  expect(await readFile(path(), 'utf8')).toBe(VECTOR.text);
  const saved = await loaded();
  expect(saved?.savedAt).toBe(savedAt);
  for (const pod of PODS) expect(saved?.find(pod.uid)).toEqual(pod);
  expect(saved?.find('another')).toBeUndefined();
  expect(warnings).toEqual([]);
});

it('is empty if no pod has a session', async () => {
  await save([]);
  expect((await loaded())?.find(PODS[0]!.uid)).toBeUndefined();
  expect(warnings).toEqual([]);
});

it.each<[string, (text: string) => string]>([
  ['a changed label', (text) => text.replace('"app":"web"', '"app":"api"')],
  ['a removed pod', (text) => text.slice(text.indexOf('\n') + 1)],
  ['a later time', (text) => text.replace(String(savedAt), String(savedAt + 1))],
  ['a missing seal', (text) => text.slice(0, text.lastIndexOf('\n', text.length - 2) + 1)],
  ['half of it', (text) => text.slice(0, text.length / 2)],
  ['nothing in it', () => ''],
  ['another version', (text) => text.replace('"version":1', '"version":2')],
])('is ignored, and said, with %s', async (_, change) => {
  await mkdir(join(directory, 'checkpoint.pods'));
  const text = change(VECTOR.text);
  expect(text).not.toBe(VECTOR.text);
  await writeFile(path(), text);
  expect(await loaded()).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining('is ignored')]);
});

it.each<[string, Partial<Registration>]>([
  ['another version of the registration', { version: registration.version + 1 }],
  ['another cluster', { cluster: 'staging' }],
])('is ignored by %s', async (_, change) => {
  await save();
  expect(await loaded({ ...registration, ...change })).toBeUndefined();
  expect(warnings).toHaveLength(1);
});

it('is removed with its registration', async () => {
  await save();
  expect(await loaded({ ...registration, uid: 'doc_other' })).toBeUndefined();
  expect(await readdir(join(directory, 'checkpoint.pods'))).toEqual([]);
});

it('stays as it was if the watch is silent in the end, or the broker is sealed', async () => {
  await save();
  await save([], false);
  isSealed = true;
  await expect(save([])).rejects.toMatchObject({ code: 'ERR_SEALED' });
  expect(await readFile(path(), 'utf8')).toBe(VECTOR.text);
});

it('leaves out a pod with a long line, and refuses a file over its limit', async () => {
  const long = { ...PODS[0]!, uid: 'long', manifest: Buffer.alloc(8_192) };
  await save([long, ...PODS]);
  expect(await readFile(path(), 'utf8')).toBe(VECTOR.text);
  await truncate(path(), 170_000_000);
  expect(await loaded()).toBeUndefined();
  expect(warnings).toHaveLength(1);
});
