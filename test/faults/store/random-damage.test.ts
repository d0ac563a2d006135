import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  DamagedStore,
  flipAt,
  flipInPages,
  seededRandom,
  type Trial,
} from '../../kit/store/damaged-store.ts';

/** `ROUNDS` in the environment asks for more, `SEED` for other places. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 5);
const SEED = Number(process.env['SEED'] ?? 1);
const TIMEOUT = 180_000 + ROUNDS * 20_000;
const NOTICED = ['refused', 'held', 'failed', 'warned', 'harmless', 'rebuilt', 'unused'];

let store: DamagedStore;

async function expectNoticed(what: string, damage: () => Promise<Trial>): Promise<void> {
  const found: Trial[] = [];
  for (let round = 0; round < ROUNDS; round += 1) found.push(await damage());
  const groups = Object.groupBy(found, ({ finding, detail }) => `${finding} (${detail})`);
  const counts = Object.entries(groups).map(([finding, of]) => `${of?.length ?? 0} ${finding}`);
  if (process.env['ROUNDS'] !== undefined)
    process.stdout.write(`${what}, seed ${SEED}: ${counts.join(', ')}\n`);
  expect(found.filter(({ finding }) => !NOTICED.includes(finding))).toEqual([]);
}

describe.each([
  ['small enough to be checked as a whole at start', false],
  ['larger than that', true],
])('the database file of a stopped store that is %s', (name, isLarge) => {
  beforeAll(async () => {
    store = await DamagedStore.make({ isLarge, isKilled: false });
  });
  afterAll(() => store.remove());

  it(
    'never serves a flipped bit unnoticed (F31)',
    async () => {
      const random = seededRandom(SEED);
      await expectNoticed(`file ${name}`, () =>
        store.damage('', (bytes, used) => flipInPages(bytes, used, random)),
      );
    },
    TIMEOUT,
  );
});

describe('the write-ahead log of a killed store', () => {
  beforeAll(async () => {
    store = await DamagedStore.make({ isLarge: false, isKilled: true });
  });
  afterAll(() => store.remove());

  it(
    'is never served unnoticed with a flipped bit',
    async () => {
      const random = seededRandom(SEED);
      await expectNoticed('flipped log', () =>
        store.damage('-wal', (bytes) => flipAt(bytes, Math.floor(random() * bytes.length), random)),
      );
    },
    TIMEOUT,
  );

  it(
    'is never served unnoticed after a cut (F31)',
    async () => {
      const random = seededRandom(SEED);
      await expectNoticed('cut log', () =>
        store.damage('-wal', (bytes) => bytes.subarray(0, Math.floor(random() * bytes.length))),
      );
    },
    TIMEOUT,
  );
});
