import { afterEach, describe, expect, it } from '@jest/globals';
import type { RunningBroker } from '../../../src/program/broker/broker.ts';
import {
  MOST_ENCRYPTIONS,
  rotateRootKey,
  type KeyStatus,
} from '../../../src/broker/keys/rotate-keys.ts';
import { changeRootKeys, readRootKeys } from '../../../src/broker/keys/root-key-rows.ts';
import { readRewrapReport } from '../../../src/broker/keys/rewrap-report.ts';
import { ENCRYPTION_STEP } from '../../../src/broker/keys/encryption-ledger.ts';
import { decryptAt, encryptAt } from '../../../src/broker/kernel/encrypted-columns.ts';
import { openEmbedded } from '../../../src/providers/embedded/open.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';
import { fillInstallation } from '../../kit/store/filled-installation.ts';
import { newCall } from '../../kit/broker/api-call.ts';
import type { TableName } from '../../../src/ports/store.ts';
import type { Tables } from '../../../src/ports/tables.ts';
import { allRows } from '../../../src/ports/queries.ts';
import { until } from '../../kit/backends/until.ts';

let own: AttackedInstallation;
let broker: RunningBroker | undefined;
afterEach(async () => {
  await broker?.close('test');
  broker = undefined;
  await own.remove();
});

/** A store with documents, secrets, leases, credentials and rotations. */
async function openFilled(): Promise<RunningBroker> {
  own = await AttackedInstallation.make();
  operatorToken = await fillInstallation(own);
  broker = await own.open();
  return broker;
}

let operatorToken = '';
const CONTEXT = { requestId: 'req_test', signal: new AbortController().signal };

function rows<T extends TableName>(table: T): Promise<readonly Tables[T][]> {
  return broker!.parts.store.list(allRows(table), { limit: 1_000 });
}

async function rotate(isCompromised = false): Promise<KeyStatus> {
  const { parts } = broker!;
  const caller = (await parts.tokens.find(operatorToken, parts.catalog))!;
  return rotateRootKey(parts, newCall(), caller, { isCompromised, comment: 'test' });
}

async function finished(): Promise<void> {
  await until('the rotation ends', async () => {
    const { keys } = await readRootKeys(broker!.parts.store);
    return keys.length === 1;
  });
}

/** Every readable version of every secret. */
async function values(): Promise<Record<string, unknown>> {
  const { store, clock, keyring, installation } = broker!.parts;
  const { provider } = openEmbedded({ store, clock, keyring, installation });
  const found: Record<string, unknown> = {};
  for (const { path, last_version } of await rows('secrets')) {
    for (let version = 1; version <= last_version; version += 1) {
      const mount = provider.mount({ prefix: path.split('/')[0] });
      const read = mount.read(path, String(version), CONTEXT);
      found[`${path} ${version}`] = await read.then(
        ({ data }) => data,
        (error: unknown) => String(error),
      );
    }
  }
  return found;
}

/** Keeps the value of a dynamic credential, as for a repeat of its request. */
async function keepOneCredential(): Promise<void> {
  const { store } = broker!.parts;
  const { id } = (await rows('credentials'))[0]!;
  const at = { table: 'credentials', column: 'sealed', row: { id } } as const;
  const sealed = encryptAt(broker!.parts, at, Buffer.from('{}'));
  await store.commit({ writes: [{ table: 'credentials', key: { id }, change: { sealed } }] });
}

const WRAPPED = 'a'.repeat(64);
const OF_WRAPPED = { table: 'wrapped_answers', column: 'sealed', row: { id: WRAPPED } } as const;

/** Keeps a wrapped answer, sealed under the active key. */
async function wrapOneAnswer(): Promise<void> {
  const { store } = broker!.parts;
  const put = {
    id: WRAPPED,
    workload: 'k8s://c1/prod/api',
    session_id: 'ses_1',
    session_hash: Buffer.alloc(32, 1),
    path: null,
    creation_path: 'sys/wrapping/wrap',
    sealed: encryptAt(broker!.parts, OF_WRAPPED, Buffer.from('{}')),
    created_at: 1_000,
    ends_at: 9e12,
    mac: null,
  };
  await store.commit({ writes: [{ table: 'wrapped_answers', put }] });
}

const ENROLLED = { cluster_uid: 'doc_1', api_server: 'a'.repeat(64) };
const OF_ENROLLED = { table: 'enrolments', column: 'sealed', row: ENROLLED } as const;

/** Keeps the credential of an enrolled cluster, sealed under the active key. */
async function enrolOneCluster(): Promise<void> {
  const { store } = broker!.parts;
  const put = {
    cluster: 'east',
    ...ENROLLED,
    code: null,
    code_ends_at: null,
    attempts: 0,
    used_by: null,
    sealed: encryptAt(broker!.parts, OF_ENROLLED, Buffer.from('header.payload.signature')),
    ends_at: 9e12,
    renew_at: 9e12,
    updated_at: 1_000,
    mac: null,
  };
  await store.commit({ writes: [{ table: 'enrolments', put }] });
}

describe('a rotation of the root key', () => {
  it('leaves no row under the old key, destroys it, and keeps every token and value (F43)', async () => {
    const { parts } = await openFilled();
    const old = parts.keyring.active.id;
    const before = await values();
    const ciphertexts = (await rows('secret_versions')).map(({ ciphertext }) => ciphertext);
    expect(Object.keys(before).length).toBeGreaterThan(3);
    await wrapOneAnswer();
    await enrolOneCluster();
    await rotate();
    await finished();
    expect(parts.keyring.active.id).not.toBe(old);
    expect(parts.keyring.find(old)).toBeUndefined();
    for (const table of ['secret_versions', 'state_digests'] as const)
      expect((await rows(table)).filter(({ root_key_id }) => root_key_id === old)).toEqual([]);
    expect((await rows('secret_versions')).map(({ ciphertext }) => ciphertext)).toEqual(
      ciphertexts,
    );
    expect(await values()).toEqual(before);
    const [{ sealed } = { sealed: Buffer.alloc(0) }] = await rows('wrapped_answers');
    const found = decryptAt(parts, OF_WRAPPED, sealed);
    expect(found.toString()).toBe('{}');
    const [enrolment = { sealed: null }] = await rows('enrolments');
    const token = decryptAt(parts, OF_ENROLLED, enrolment.sealed!);
    expect(token.toString()).toBe('header.payload.signature');
    expect(await parts.tokens.find(operatorToken, parts.catalog)).toBeDefined();
    await restart();
    expect(broker!.unready()).toEqual([]);
    expect(own.heldRows()).toEqual([]);
    expect(await values()).toEqual(before);
    expect(await broker!.parts.tokens.find(operatorToken, broker!.parts.catalog)).toBeDefined();
  });

  it('begins by itself when the active key has sealed as often as it may, and records why', async () => {
    const { parts, trail } = await openFilled();
    const old = parts.keyring.active.id;
    const before = await values();
    const stored = await readRootKeys(parts.store);
    const keys = stored.keys.map((row) => ({ ...row, seals: MOST_ENCRYPTIONS }));
    const outcome = await parts.store.commit(
      changeRootKeys(stored, { keys }, parts.keyring.active),
    );
    expect(outcome.status).toBe('committed');
    await until('another key is active', () => Promise.resolve(parts.keyring.active.id !== old));
    await finished();
    expect(await values()).toEqual(before);
    const [active] = (await readRootKeys(parts.store)).keys;
    expect(active?.seals).toBeLessThan(MOST_ENCRYPTIONS);
    await trail.integrator.integrate();
    const { items } = await trail.reader.search({ action: 'key.rotate' }, { limit: 5 });
    expect(items.map(({ entry }) => entry)).toEqual([
      expect.stringContaining('"cause":"seal_limit"') as unknown,
    ]);
  });

  it('encrypts every value again after a compromise, and names what a copy still opens (F43)', async () => {
    await openFilled();
    const before = await values();
    const old = (await rows('secret_versions')).filter(({ ciphertext }) => ciphertext !== null);
    await keepOneCredential();
    await rotate(true);
    await finished();
    const now = (await rows('secret_versions')).filter(({ ciphertext }) => ciphertext !== null);
    expect(now).toHaveLength(old.length);
    for (const [index, { ciphertext }] of now.entries())
      expect(ciphertext).not.toEqual(old[index]?.ciphertext);
    expect(await values()).toEqual(before);
    const report = await readRewrapReport(broker!.parts);
    expect(report).toMatchObject({ reencrypted: old.length, exposed: { values: 3 } });
    const kept = (await rows('credentials')).filter(({ sealed }) => sealed !== null);
    expect(kept).not.toEqual([]);
    expect(report?.exposed).toMatchObject({
      credentials: kept.length,
      issued: kept.map(({ lease_id: lease, path }) => ({ lease, path })),
    });
    expect(report?.exposed?.paths).toEqual((await rows('secrets')).map(({ path }) => path));
  });

  it('counts its seals ahead of time, and refuses a count that was set back (F43)', async () => {
    const { parts } = await openFilled();
    const first = parts.keyring.active;
    const counted = (await readRootKeys(parts.store)).keys[0]!.seals!;
    expect(counted).toBeGreaterThanOrEqual(ENCRYPTION_STEP);
    expect(first.encryptionsLeft).toBeLessThanOrEqual(ENCRYPTION_STEP);
    await restart();
    const again = (await readRootKeys(broker!.parts.store)).keys[0]!.seals!;
    expect(again).toBe(counted + ENCRYPTION_STEP);
    await broker!.close('test');
    broker = undefined;
    own.sql((database) => database.exec('UPDATE root_keys SET seals = 1'));
    await expect(own.open()).rejects.toMatchObject({ code: 'ERR_CIPHERTEXT_INVALID' });
  });
});

async function restart(): Promise<void> {
  await broker!.close('test');
  broker = await own.open();
}
