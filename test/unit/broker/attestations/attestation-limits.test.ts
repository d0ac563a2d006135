import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { attestationId } from '../../../../src/broker/attestations/attestation-memory.ts';
import { pushAttestation } from '../../../../src/broker/attestations/attestations.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';
import { ImageSigner } from '../../../kit/images/image-signer.ts';
import { countRows } from '../../../kit/store/table-rows.ts';

const MOST = 10_000;
const MOST_OF_IMAGE = 50;
const MIB = 1_048_576;
const signer = new ImageSigner();
const SCAN = 'https://example.test/scan';

let broker: TestBroker;
let admin: LiveOperator;
beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
});
afterEach(() => broker.close());

const digestOf = (n: number): string => `sha256:${String(n).padStart(64, '0')}`;

/** Stores the bodies as pushed attestations, each of an image of its own. @returns their ids */
async function store(bodies: readonly Buffer[]): Promise<readonly string[]> {
  const { attestations, state } = broker.parts;
  const ids: string[] = [];
  for (let from = 0; from < bodies.length; from += 500) {
    const rows = bodies.slice(from, from + 500).map((body, at) => {
      const digest = digestOf(from + at);
      const id = attestationId(digest, body);
      ids.push(id);
      return attestations.seal({ digest, id, body, createdAt: 1, createdBy: 'ci' });
    });
    const outcome = await broker.store.real.commit({
      writes: rows.map((put) => ({ table: 'attestations', put })),
      invalidates: rows.map(({ digest }) => `attestation:${digest}`),
    });
    if (outcome.status === 'committed') await state.waitForChange(outcome.seq);
  }
  return ids;
}

/** Pushes at the same moment, which all see the same count. @returns what each ended with, the successful ones first */
async function pushTogether(attestations: readonly object[]): Promise<readonly string[]> {
  const pushed = attestations.map((attestation) =>
    pushAttestation(broker.parts, broker.call(), admin, { attestation }).then(
      () => '',
      (error: unknown) => BrokerError.from(error).message,
    ),
  );
  return (await Promise.all(pushed)).sort();
}

const ofNewImages = (count: number, predicate: object = {}): readonly object[] =>
  Array.from({ length: count }, (_, n) => signer.bundle(digestOf(MOST + n), SCAN, predicate));

it('takes one of eight pushes at the same moment if there is space for one, and loses none of the others (IS07)', async () => {
  const body = Buffer.from(JSON.stringify(signer.bundle(digestOf(0))));
  const ids = await store(Array<Buffer>(MOST - 1).fill(body));
  const [first, ...refused] = await pushTogether(ofNewImages(8));
  expect(first).toBe('');
  expect(refused).toHaveLength(7);
  for (const message of refused) {
    expect(message).toMatch(/^the broker has 10000 attestations .* quaymaster attestation rm$/);
  }
  const { attestations } = broker.parts;
  expect(attestations.count).toBe(MOST);
  expect(await countRows(broker.store.real, 'attestations', {})).toBe(MOST);
  const kept = new Set(attestations.all().map(({ id }) => id));
  expect(ids.filter((id) => !kept.has(id))).toEqual([]);
});

it('stores no more than 32 MiB by pushes at the same moment', async () => {
  const large = (n: number): Buffer =>
    Buffer.from(JSON.stringify(signer.bundle(digestOf(n), SCAN, { x: 'x'.repeat(700_000) })));
  const stored = Array.from({ length: 34 }, (_, n) => large(n));
  await store(stored);
  const { attestations } = broker.parts;
  const one = stored[0]!.length;
  const space = Math.floor((32 * MIB - attestations.bytes) / one);
  const messages = await pushTogether(ofNewImages(space + 1, { x: 'x'.repeat(700_000) }));
  expect(messages.filter((message) => message === '')).toHaveLength(space);
  expect(messages.at(-1)).toMatch(/the most are 10000 and 33554432 bytes/);
  expect(attestations.bytes).toBeLessThanOrEqual(32 * MIB);
});

it('stores no more than 50 of an image by pushes at the same moment', async () => {
  const of = (n: number): object => signer.bundle(digestOf(1), SCAN, { n });
  for (let n = 0; n < MOST_OF_IMAGE - 1; n += 1) expect(await pushTogether([of(n)])).toEqual(['']);
  const messages = await pushTogether([of(50), of(51), of(52)]);
  expect(messages.filter((message) => message === '')).toHaveLength(1);
  expect(messages.at(-1)).toMatch(/^the image has 50 attestations/);
  expect(broker.parts.attestations.of(digestOf(1))).toHaveLength(MOST_OF_IMAGE);
});
