import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { checkSpace } from '../../../../src/features/attestations/attestation-space.ts';
import {
  attestationId,
  type Attestation,
  type AttestationFacts,
} from '../../../../src/features/attestations/attestation-memory.ts';
import { pushAttestation } from '../../../../src/features/attestations/attestations.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';
import { ImageSigner } from '../../../kit/images/image-signer.ts';
import { countRows } from '../../../kit/store/table-rows.ts';
import { pushedBody } from '../../../kit/api/pushed-body.ts';

const MIB = 1_048_576;
const SCAN = 'https://example.test/scan';
const team = new ImageSigner();
const stranger = new ImageSigner();

const digestOf = (n: number): string => `sha256:${String(n).padStart(64, '0')}`;

describe('the space for attestations (IS10)', () => {
  const SHOP = { createdBy: 'ci://ci/acme/shop/main', scope: ['registry.test/shop'] };
  const PULL_REQUEST = { ...SHOP, createdBy: 'ci://ci/acme/shop/pr-7' };
  const PAY = { createdBy: 'ci://ci/acme/pay/main', scope: ['registry.test/pay'] };
  const ADMIN = { createdBy: 'admin', scope: [] };
  const OTHER_ADMIN = { createdBy: 'root', scope: [] };
  const WRITERS = { SHOP, PULL_REQUEST, PAY, ADMIN, OTHER_ADMIN };
  type Writer = keyof typeof WRITERS;
  type Filled = readonly (Partial<Attestation> & {
    readonly count: number;
    readonly size?: number;
  })[];

  let made = 0;
  const facts = (change: Partial<AttestationFacts>): AttestationFacts => {
    made += 1;
    const own = { digest: digestOf(made), id: `att_${made}`, body: Buffer.alloc(10), createdAt: 1 };
    return { ...own, ...ADMIN, isRecognized: true, ...change };
  };

  /** Writers whose push is stored beside what is stored. */
  function accepted(filled: Filled, change: Partial<AttestationFacts> = {}): readonly string[] {
    const all = filled.flatMap(({ count, size = 10, ...each }) =>
      Array.from(
        { length: count },
        () => facts({ body: Buffer.alloc(size), ...each }) as Attestation,
      ),
    );
    const space = {
      of: (digest: string) => all.filter((each) => each.digest === digest),
      each: () => all,
    };
    return Object.entries(WRITERS).flatMap(([name, writer]) => {
      try {
        checkSpace(space, facts({ ...writer, ...change }));
        return [name];
      } catch (error) {
        expect(BrokerError.from(error)).toMatchObject({
          code: 'ERR_CONFLICT',
          reason: 'attestations_full',
        });
        return [];
      }
    });
  }

  const D = digestOf(0);
  const ALL: readonly Writer[] = ['SHOP', 'PULL_REQUEST', 'PAY', 'ADMIN', 'OTHER_ADMIN'];
  const NOT_SHOP: readonly Writer[] = ['PAY', 'ADMIN', 'OTHER_ADMIN'];
  const OPERATORS: readonly Writer[] = ['ADMIN', 'OTHER_ADMIN'];
  const junk = { isRecognized: false };
  it.each<[string, Filled, Partial<AttestationFacts>, readonly Writer[]]>([
    ['nothing', [], {}, ALL],
    ['a quarter of the rows by one pipeline', [{ ...SHOP, count: 2_250 }], {}, NOT_SHOP],
    ['a quarter of the bytes by one pipeline', [{ ...SHOP, count: 7, size: MIB }], {}, NOT_SHOP],
    [
      'a quarter by all identities of a team',
      [
        { ...SHOP, count: 1_200 },
        { ...PULL_REQUEST, count: 1_050 },
      ],
      {},
      NOT_SHOP,
    ],
    [
      'what three teams may take, for a fourth one',
      [
        { ...PAY, count: 1_500 },
        { createdBy: 'ci://ci/x', scope: ['x'], count: 1_500 },
      ],
      {},
      ['SHOP', 'PULL_REQUEST', 'ADMIN', 'OTHER_ADMIN'],
    ],
    [
      'what three operators may take, for a fourth one',
      [
        { ...ADMIN, count: 2_250 },
        { createdBy: 'x', count: 2_250 },
        { createdBy: 'y', count: 2_250 },
      ],
      {},
      ['SHOP', 'PULL_REQUEST', 'PAY', 'OTHER_ADMIN'],
    ],
    [
      'half of the bytes by workloads',
      [{ createdBy: 'ci://ci/x', scope: ['x'], count: 14, size: MIB }],
      {},
      OPERATORS,
    ],
    [
      'half of the rows by workloads',
      [{ createdBy: 'ci://ci/x', scope: ['x'], count: 4_500 }],
      {},
      OPERATORS,
    ],
    [
      'a quarter of the bytes by an operator',
      [{ ...ADMIN, count: 7, size: MIB }],
      {},
      ['SHOP', 'PULL_REQUEST', 'PAY', 'OTHER_ADMIN'],
    ],
    ['all rows', [{ createdBy: 'x', count: 9_000 }], {}, []],
    ['all bytes', [{ createdBy: 'x', count: 28, size: MIB }], {}, []],
    [
      'the image by one pipeline',
      [{ ...SHOP, digest: D, count: 25 }],
      { digest: D },
      ['PULL_REQUEST', 'PAY', 'ADMIN', 'OTHER_ADMIN'],
    ],
    [
      'the image by many identities of a team',
      [
        { ...SHOP, digest: D, count: 25 },
        { ...PULL_REQUEST, digest: D, count: 25 },
      ],
      { digest: D },
      NOT_SHOP,
    ],
    [
      'unsigned ones of every kind, for a signed one',
      [
        { createdBy: 'x', ...junk, count: 1_000 },
        { ...SHOP, digest: D, ...junk, count: 100 },
      ],
      { digest: D },
      ALL,
    ],
    [
      'unsigned ones by one pipeline, for an unsigned one',
      [{ ...SHOP, ...junk, count: 100 }],
      junk,
      NOT_SHOP,
    ],
    [
      'unsigned ones by all pipelines, for an unsigned one',
      [{ createdBy: 'ci://ci/x', scope: ['x'], ...junk, count: 500 }],
      junk,
      OPERATORS,
    ],
    [
      'unsigned ones of one image, for an unsigned one',
      [{ ...SHOP, ...junk, digest: D, count: 5 }],
      { ...junk, digest: D },
      ['PULL_REQUEST', 'PAY', 'ADMIN', 'OTHER_ADMIN'],
    ],
    [
      'signed ones of every kind, for an unsigned one',
      [{ createdBy: 'x', count: 9_000 }],
      junk,
      ALL,
    ],
  ])('is left for others beside %s', (_, filled, change, expected) => {
    expect(accepted(filled, change)).toEqual(expected);
  });

  it('is never filled by teams that take what they can, so that the next one finds a share', () => {
    const all: Attestation[] = [];
    const space = { of: () => [], each: () => all };
    const take = (team: number, size: number): number => {
      const own = { createdBy: `ci://ci/team/${team}`, scope: [`registry.test/${team}`] };
      let count = 0;
      for (;;) {
        const made = facts({ ...own, body: Buffer.alloc(size) }) as Attestation;
        try {
          checkSpace(space, made);
        } catch {
          return count;
        }
        all.push(made);
        count += 1;
      }
    };
    expect(Array.from({ length: 7 }, (_, at) => take(at, MIB / 8))).toEqual([
      42, 21, 10, 5, 3, 1, 1,
    ]);
    // The rest is for tenants with little.
    const some = Array.from({ length: 20 }, (_, at) => take(100 + at, 4_096));
    expect(new Set(some)).toEqual(new Set([28]));
  });
});

describe('a push', () => {
  let broker: TestBroker;
  let admin: LiveOperator;
  beforeEach(async () => {
    broker = await TestBroker.open();
    admin = await broker.seed();
  });
  afterEach(() => broker.close());

  const require = (signer: ImageSigner): Promise<void> =>
    broker.put(admin, 'posture-profile', 'signed', {
      mode: 'enforce',
      image: {
        signatures: [{ images: ['**'], authorities: [{ name: 'team', key: signer.pem }] }],
      },
    });

  const push = (attestation: object, by = admin, digest?: string) =>
    pushAttestation(broker.parts, broker.call(), by, pushedBody({ attestation, digest }));

  const outcome = (attestation: object, by = admin): Promise<string> =>
    push(attestation, by).then(
      () => '',
      (error: unknown) => BrokerError.from(error).message,
    );

  /** Fills the space for statements that an authority signed, but for one. */
  async function fill(): Promise<void> {
    const { attestations, state } = broker.parts;
    const body = Buffer.from(JSON.stringify(team.bundle(digestOf(0))));
    const made = Array.from({ length: 8_999 }, (_, n) => ({
      digest: digestOf(n),
      createdBy: `ci-${n % 5}`,
    }));
    for (let from = 0; from < made.length; from += 500) {
      const rows = made.slice(from, from + 500).map(({ digest, createdBy }) => {
        const facts = { digest, id: attestationId(digest, body), body, createdAt: 1, createdBy };
        return attestations.rowOf({ ...facts, scope: [], isRecognized: true });
      });
      const { status, ...done } = await broker.store.real.commit({
        writes: rows.map((put) => ({ table: 'attestations', put })),
        invalidates: rows.map(({ digest }) => `attestation:${digest}`),
      });
      if (status === 'committed' && 'seq' in done) await state.waitForChange(done.seq);
    }
  }

  it('is one of eight at the same moment that is stored if there is space for one, and loses none of the others (IS07)', async () => {
    await require(team);
    await fill();
    const pushes = Array.from({ length: 8 }, (_, n) => outcome(team.bundle(digestOf(20_000 + n))));
    const [first, ...refused] = (await Promise.all(pushes)).sort();
    expect(first).toBe('');
    expect(refused).toHaveLength(7);
    for (const message of refused) expect(message).toMatch(/all writers may store 9000/);
    expect(broker.parts.attestations.count).toBe(9_000);
    expect(await countRows(broker.store.real, 'attestations', {})).toBe(9_000);
  });

  it('takes no space from signed statements if no authority signed it (IS10)', async () => {
    await require(team);
    const shop = await broker.operator('shop', [
      { role: 'evidence-writer', scope: ['registry.test/shop'] },
    ]);
    const pay = await broker.operator('pay', [
      { role: 'evidence-writer', scope: ['registry.test/pay'] },
    ]);
    const image = digestOf(1);
    for (let n = 0; n < 5; n += 1)
      expect(await outcome(stranger.bundle(image, SCAN, { n }), shop)).toBe('');
    expect(await outcome(stranger.bundle(image, SCAN, { n: 5 }), shop)).toMatch(
      /^too many attestations that no authority of a posture profile signed: shop stored 5 about this image/,
    );
    const large = (n: number) => stranger.bundle(digestOf(n), SCAN, { x: 'x'.repeat(700_000) });
    expect(await outcome(large(2), shop)).toBe('');
    expect(await outcome(large(3), shop)).toMatch(/shop may store 100 with 1048576 bytes/);
    expect(await outcome(team.bundle(image), pay)).toBe('');
    expect(await outcome(team.bundle(image), shop)).toBe('');
  });

  it('stores the same signature in other bytes once', async () => {
    await require(team);
    const bundle = team.bundle(digestOf(1));
    const { attestation: first } = await push(bundle);
    for (let n = 0; n < 30; n += 1) {
      const { attestation, isNew } = await push({ ...bundle, [`x${n}`]: n });
      expect([attestation.id, isNew]).toEqual([first.id, false]);
    }
    expect(broker.parts.attestations.count).toBe(1);
  });

  it('counts among signed ones from the push after the profile that names its authority', async () => {
    const bundle = team.bundle(digestOf(1));
    await push(bundle);
    const [before] = broker.parts.attestations.of(digestOf(1));
    expect(before).toMatchObject({ isRecognized: false });
    await require(team);
    broker.clock.advance(60_000);
    expect((await push(bundle)).isNew).toBe(false);
    expect(broker.parts.attestations.of(digestOf(1))).toMatchObject([
      { id: before!.id, isRecognized: true, createdAt: before!.createdAt },
    ]);
    broker = await broker.reopen();
    expect(broker.parts.attestations.of(digestOf(1))).toMatchObject([{ isRecognized: true }]);
  });

  it('counts for the images of its writer only, and by two teams for those of both', async () => {
    await require(team);
    const shop = await broker.operator('shop', [
      { role: 'evidence-writer', scope: ['registry.test/shop'] },
    ]);
    const pay = await broker.operator('pay', [
      { role: 'evidence-writer', scope: ['registry.test/pay'] },
    ]);
    const image = digestOf(1);
    const counting = () => broker.parts.attestations.of(image).map(({ scope }) => scope);
    await push(team.bundle(image), shop);
    await push(team.bundle(image), pay);
    expect(counting().sort()).toEqual([['registry.test/pay'], ['registry.test/shop']]);
    broker = await broker.reopen();
    expect(counting().sort()).toEqual([['registry.test/pay'], ['registry.test/shop']]);
    expect(await outcome(team.legacy(image), shop)).toMatch(
      /^the signature is for registry.test\/prod\/web, and the role evidence-writer of its sender is for registry.test\/shop$/,
    );
  });
});
