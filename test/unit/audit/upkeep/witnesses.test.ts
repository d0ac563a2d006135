import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseWitnessKey } from '../../../../src/crypto/log/cosignature.ts';
import type { WitnessFault } from '../../../../src/audit/upkeep/add-checkpoint.ts';
import { openWitnessed } from '../../../../src/audit/log/witnessed-checkpoint.ts';
import { Witnesses } from '../../../../src/audit/upkeep/witnesses.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { LogBench } from '../../../kit/log/log-bench.ts';
import { TestWitness } from '../../../kit/log/test-witness.ts';

const ORIGIN = 'log.example/test';
const NAMES = ['alpha', 'beta', 'gamma'] as const;
const PAUSE_MS = 10_000;

let clock: HandClock;
let bench: LogBench;
let parties: TestWitness[];
let faults: [string, WitnessFault][];
let isActive: boolean;
const opened: Witnesses[] = [];

beforeEach(async () => {
  clock = new HandClock();
  bench = await LogBench.open(clock);
  isActive = true;
  faults = [];
  await grow(5);
  const logKey = await bench.reader.logKey();
  parties = await Promise.all(
    NAMES.map((name) => TestWitness.start(`witness.example/${name}`, [logKey])),
  );
  for (const party of parties) party.now = () => Math.floor(clock.now() / 1_000);
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.close()));
  await Promise.all(parties.map((party) => party.close()));
  await bench.remove();
});

async function grow(count: number, of = bench): Promise<void> {
  await of.record(...Array.from({ length: count }, () => ({})));
  await of.integrate();
}

function witnesses(required: number, asked: readonly number[] = [0], of = bench): Witnesses {
  const made = new Witnesses({
    settings: asked.map((i) => {
      const { url, key } = party(i);
      return { name: NAMES[i] ?? '', url, verifier: parseWitnessKey(key) };
    }),
    required,
    reader: of.reader,
    log: of.log.verifier,
    store: of.store,
    clock,
    isActive: () => isActive,
    onFault: (name, { fault }) => faults.push([name, fault]),
    onError: (error) => {
      throw error;
    },
  });
  opened.push(made);
  return made;
}

function party(index = 0): TestWitness {
  return parties[index]!;
}

/** The names of the witnesses whose cosignatures the stored note has. */
async function cosigners(): Promise<readonly string[]> {
  const stored = await bench.reader.witnessed();
  if (stored === undefined) return [];
  const keys = parties.map(({ key }) => parseWitnessKey(key));
  const { cosignatures } = openWitnessed(stored.note, bench.log.verifier, keys);
  return cosignatures.map(({ witness }) => witness.name.split('/')[1] ?? '');
}

describe('submission to witnesses', () => {
  it('gets cosignatures of the first and of later checkpoints, and stores them with the note', async () => {
    const made = witnesses(2, [0, 1]);
    for (const size of [6, 7, 300, 301, 1_024]) {
      await grow(size - (await bench.reader.size()));
      await made.run();
      expect(await bench.reader.witnessed()).toMatchObject({ size });
      expect(await cosigners()).toEqual(['alpha', 'beta']);
    }
    expect(faults).toEqual([]);
    expect(party().statuses).toEqual([200, 200, 200, 200, 200]);
    expect(party().requests[1]).toMatch(
      /^old 6\n(?:[A-Za-z0-9+/]{43}=\n)+\nlog\.example\/test\n7\n/,
    );
    expect(made.status()).toMatchObject({ size: 1_024, unwitnessedMs: 0 });
  });

  it('asks no witness while the log does not grow, or while another process appends to it', async () => {
    const made = witnesses(1);
    isActive = false;
    await made.run();
    isActive = true;
    await made.run();
    await made.run();
    expect(party().requests).toHaveLength(1);
  });

  it('submits by itself, every ten seconds', async () => {
    const made = witnesses(1);
    made.start();
    clock.advance(0);
    await made.run();
    await grow(1);
    clock.advance(PAUSE_MS);
    await made.run();
    expect(party().sizeOf(ORIGIN)).toBe(7);
  });

  it('counts a checkpoint as witnessed only with the required number of cosignatures', async () => {
    const made = witnesses(2, [0, 1, 2]);
    party(0).answer = { status: 500 };
    party(1).answer = { status: 503 };
    await made.run();
    expect(await bench.reader.witnessed()).toBeUndefined();
    expect(faults).toEqual([
      ['alpha', 'refused'],
      ['beta', 'refused'],
    ]);
    clock.advance(60_000);
    expect(made.status()).toMatchObject({ size: 0, unwitnessedMs: 60_000 });

    party(1).answer = undefined;
    await grow(10);
    await made.run();
    expect(await bench.reader.witnessed()).toMatchObject({ size: 6 });
    expect(await cosigners()).toEqual(['beta', 'gamma']);
    await made.run();
    expect(await bench.reader.witnessed()).toMatchObject({ size: 16 });
  });

  it('completes a checkpoint of witnesses that fail at different times', async () => {
    const made = witnesses(2, [0, 1]);
    party(0).answer = { status: 500 };
    await made.run();
    party(0).answer = undefined;
    party(1).answer = { status: 500 };
    await grow(1);
    clock.advance(PAUSE_MS);
    await made.run();
    expect(await bench.reader.witnessed()).toMatchObject({ size: 6 });
    expect(party(1).requests).toHaveLength(1);
  });

  it('waits twice as long after each failure, and at most five minutes', async () => {
    const made = witnesses(1);
    party().answer = { status: 500 };
    const pauses: number[] = [];
    for (let i = 0; i < 8; i++) {
      const before = party().requests.length;
      let waited = 0;
      for (; party().requests.length === before; waited += PAUSE_MS) {
        await made.run();
        clock.advance(PAUSE_MS);
      }
      pauses.push(waited);
    }
    expect(pauses.slice(1)).toEqual([10, 20, 40, 80, 160, 300, 300].map((each) => each * 1_000));
  });

  it('learns the size of a witness from its conflict, and after a restart from the stored note', async () => {
    await witnesses(1).run();
    await grow(20);
    const restarted = witnesses(1);
    await restarted.run();
    expect(party().statuses).toEqual([200, 200]);
    await bench.store.commit({ writes: [{ table: 'meta', remove: { key: 'audit-witnessed' } }] });
    await grow(20);
    await witnesses(1).run();
    expect(party().statuses).toEqual([200, 200, 409, 200]);
    expect(await bench.reader.witnessed()).toMatchObject({ size: 46 });
    expect(faults).toEqual([]);
  });

  it('takes the newest checkpoint if another replica submitted a newer one', async () => {
    const slow = witnesses(2, [0, 1]);
    party(1).answer = { status: 500 };
    await slow.run();
    await grow(4);
    await witnesses(1).run();
    party(1).answer = undefined;
    party(0).statuses.length = 0;
    clock.advance(PAUSE_MS);
    await slow.run();
    await grow(1);
    await slow.run();
    expect(await bench.reader.witnessed()).toMatchObject({ size: 11 });
    expect(await cosigners()).toEqual(['alpha', 'beta']);
  });
});

describe('a witness that gives no valid cosignature', () => {
  it.each<[WitnessFault, boolean, (witness: TestWitness) => void]>([
    ['unknown_log', false, (witness) => (witness.answer = { status: 404 })],
    ['unknown_log_key', false, (witness) => (witness.answer = { status: 403 })],
    ['refused', false, (witness) => (witness.answer = { status: 400 })],
    ['refused', false, (witness) => (witness.answer = { status: 409, body: 'six\n' })],
    ['refused', false, (witness) => (witness.answer = { status: 409, body: '9007199254740993\n' })],
    [
      'unreachable',
      false,
      (witness) => (witness.answer = { status: 200, body: 'x'.repeat(70_000) }),
    ],
    ['other_key', true, (witness) => (witness.misbehaviour = 'other_key')],
    ['other_key', true, (witness) => (witness.answer = { status: 200, body: '' })],
    ['bad_cosignature', true, (witness) => (witness.answer = { status: 200, body: '<html>' })],
    ['bad_cosignature', true, (witness) => (witness.misbehaviour = 'other_text')],
    ['bad_cosignature', true, (witness) => (witness.now = () => clock.now() / 1_000 + 7_200)],
    ['other_tree', true, (witness) => (witness.answer = { status: 422 })],
    ['other_tree', true, (witness) => (witness.answer = { status: 409, body: '0\n' })],
    ['ahead', true, (witness) => (witness.answer = { status: 409, body: '8\n' })],
  ])(
    'is reported as %s (contradiction: %s), and keeps the earlier note',
    async (fault, contradicts, spoil) => {
      await witnesses(1, [1]).run();
      const earlier = await bench.reader.witnessed();
      const made = witnesses(1);
      spoil(party());
      await grow(1);
      await made.run();
      expect(faults).toEqual([['alpha', fault]]);
      expect(made.status().witnesses).toEqual([
        { name: 'alpha', size: 0, fault, contradictions: contradicts ? 1 : 0 },
      ]);
      expect(await bench.reader.witnessed()).toEqual(earlier);
    },
  );

  it('is reported when it forgot a checkpoint, and may cosign again', async () => {
    const made = witnesses(1);
    await made.run();
    await grow(3);
    await made.run();
    party().rollBack(ORIGIN);
    await grow(3);
    await made.run();
    expect(faults).toEqual([['alpha', 'rolled_back']]);
    expect(made.status().witnesses).toMatchObject([{ size: 12, contradictions: 1 }]);
    expect(await bench.reader.witnessed()).toMatchObject({ size: 12 });
  });

  it('is reported when it cosigned a fork of this log under the same key (AL05)', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'fork-'));
    const fork = await LogBench.openAt(directory, clock, bench.log.signer.key);
    try {
      await grow(2, fork);
      await witnesses(1, [0], fork).run();
      expect(party().sizeOf(ORIGIN)).toBe(3);
      const made = witnesses(1);
      await made.run();
      expect(faults).toEqual([['alpha', 'other_tree']]);
      expect(party().statuses).toEqual([200, 409, 422]);
      expect(await bench.reader.witnessed()).toBeUndefined();
    } finally {
      await fork.stop();
      await rm(directory, { recursive: true });
    }
  });

  it('is reported when its tree is larger than a log that was rolled back', async () => {
    party().rollBack(ORIGIN, { size: 1_000, root: Buffer.alloc(32) });
    const made = witnesses(1);
    await made.run();
    expect(faults).toEqual([['alpha', 'ahead']]);
    expect(made.status().witnesses).toMatchObject([{ fault: 'ahead', contradictions: 1 }]);
  });

  it('is unreachable without an answer', async () => {
    const made = witnesses(1);
    await party().close();
    await made.run();
    expect(faults).toEqual([['alpha', 'unreachable']]);
  });
});

describe('the stored note', () => {
  it('is ignored if the log did not sign it, and written again', async () => {
    const forged = `${ORIGIN}\n9999\n${Buffer.alloc(32).toString('base64')}\n\n\u2014 ${ORIGIN} AAAAAAAA\n`;
    const write = { table: 'meta', put: { key: 'audit-witnessed', value: forged } } as const;
    await bench.store.commit({ writes: [write] });
    expect(await bench.reader.witnessed()).toBeUndefined();
    await witnesses(1).run();
    expect(await bench.reader.witnessed()).toMatchObject({ size: 6 });
  });
});
