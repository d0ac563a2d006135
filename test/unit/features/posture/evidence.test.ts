import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  deleteEvidence,
  pushEvidence,
  type StoredEvidence,
} from '../../../../src/features/posture/evidence.ts';
import { evidenceWorker } from '../../../../src/features/posture/evidence-worker.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { codeOf, TestBroker } from '../../../kit/broker/test-broker.ts';
import { CONFIG, INDEX, openVex, trivyReport } from '../../../kit/images/scanner-reports.ts';
import { pushedBody } from '../../../kit/api/pushed-body.ts';

const DAY = 24 * 3_600_000;
const OTHER = `sha256:${'f'.repeat(64)}`;

let broker: TestBroker;
let scanner: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  await broker.seed();
  scanner = await broker.operator('scanner', [{ role: 'evidence-writer' }]);
});
afterEach(async () => broker.close());

const at = (ageMs = 0): string => new Date(broker.clock.now() - ageMs).toISOString();

function push(
  report: object,
  image: readonly string[] = [],
  by = scanner,
): Promise<readonly StoredEvidence[]> {
  const covers = 'Results' in report ? (['vulnerabilities'] as const) : undefined;
  const text = JSON.stringify(report);
  return pushEvidence(broker.parts, broker.call(), by, pushedBody({ report: text, image, covers }));
}

async function one(report: object, image: readonly string[] = []): Promise<string> {
  const [stored] = await push(report, image);
  return stored!.evidence.id;
}

/** One round of the worker. */
async function round(): Promise<void> {
  const worker = evidenceWorker(broker.parts);
  worker.start();
  await worker.stop();
}

it('finds evidence by each digest of the image, also after a restart', async () => {
  const id = await one(trivyReport({ CreatedAt: at() }));
  broker = await broker.reopen();
  for (const digest of [INDEX, CONFIG]) {
    expect(broker.parts.evidence.of(digest)).toMatchObject([{ id, config: CONFIG }]);
  }
  const [found] = broker.parts.evidence.of(INDEX);
  expect(found?.section()).toMatchObject({ findings: [{ id: 'CVE-2026-1000' }] });
  expect(broker.parts.evidence.of(OTHER)).toEqual([]);
});

it('keeps the digests of earlier reports about the same image', async () => {
  const Metadata = { ImageID: CONFIG, RepoDigests: [`registry.test/copy@${OTHER}`] };
  const id = await one(trivyReport({ CreatedAt: at(60_000) }));
  expect(await one(trivyReport({ CreatedAt: at(), Metadata }))).toBe(id);
  expect(broker.parts.evidence.find(id)?.digests).toEqual([CONFIG, OTHER, INDEX]);
});

it('keeps the list of an image while nothing about it changes', async () => {
  await one(trivyReport({ CreatedAt: at() }));
  const before = broker.parts.evidence.of(INDEX);
  await one(openVex({ products: [`pkg:oci/web@${OTHER}`] }, { timestamp: at() }));
  expect(broker.parts.evidence.of(INDEX)).toBe(before);
  await one(openVex({}, { timestamp: at() }));
  expect(broker.parts.evidence.of(INDEX)).not.toBe(before);
});

it('keeps the reports of each writer apart, and those of each scope of a writer (EV11)', async () => {
  const all = await one(trivyReport({ CreatedAt: at(60_000) }));
  const scoped = async (name: string, ...scope: readonly string[]) => {
    const writer = await broker.operator(name, [{ role: 'evidence-writer', scope }]);
    const [stored] = await push(trivyReport({ CreatedAt: at() }, []), [], writer);
    return stored!.evidence;
  };
  const web = await scoped('web', 'registry.test/prod/web');
  const same = await scoped('same', 'registry.test/prod/web');
  const both = await scoped('both', 'registry.test/x', 'registry.test/prod/web');
  expect(web.scope).toEqual(['registry.test/prod/web']);
  expect(both.scope).toEqual(['registry.test/prod/web', 'registry.test/x']);
  expect(new Set([all, web.id, same.id, both.id]).size).toBe(4);
  broker = await broker.reopen();
  expect(broker.parts.evidence.of(INDEX).map(({ id, scope }) => [id, scope])).toEqual(
    expect.arrayContaining([
      [all, []],
      [web.id, web.scope],
      [same.id, web.scope],
      [both.id, both.scope],
    ]),
  );
});

it('lets one of two deletions win', async () => {
  const id = await one(trivyReport({ CreatedAt: at() }));
  const remove = () => deleteEvidence(broker.parts, broker.call(), scanner, id);
  const codes = await Promise.all([remove(), remove()].map((each) => codeOf(each)));
  expect(codes.filter((code) => code === 'ERR_NOT_FOUND')).toHaveLength(1);
  expect(broker.parts.evidence.of(INDEX)).toEqual([]);
});

describe('the worker', () => {
  it('removes evidence 30 days after its last use', async () => {
    await one(trivyReport({ CreatedAt: at() }));
    broker.clock.advance(29 * DAY);
    broker.parts.evidence.use([INDEX]);
    await round();
    broker.clock.advance(29 * DAY);
    await round();
    expect(broker.parts.evidence.of(INDEX)).toHaveLength(1);
    broker.clock.advance(2 * DAY);
    await round();
    expect(broker.parts.evidence.of(INDEX)).toEqual([]);
  });

  it('does not change what verdicts depend on when it marks a use', async () => {
    await one(trivyReport({ CreatedAt: at() }));
    const { evidence } = broker.parts;
    const before = evidence.of(INDEX);
    broker.clock.advance(2 * DAY);
    evidence.use([INDEX]);
    await round();
    expect(evidence.of(INDEX)).toBe(before);
    expect(evidence.takeUsed(broker.clock.now())).toEqual([]);
  });
});

describe('the space for evidence', () => {
  it('is bounded for each writer', async () => {
    const { evidence } = broker.parts;
    const share = evidence.shareOf.bind(evidence);
    evidence.shareOf = (isCounted) =>
      isCounted?.({ writer: 'scanner', tenant: '' }) === true &&
      !isCounted({ writer: 'other', tenant: '' })
        ? { rows: 5_000, bytes: 1 }
        : share(isCounted);
    expect(await codeOf(push(trivyReport({ CreatedAt: at() })))).toBe('ERR_CONFLICT');
    const other = await broker.operator('other', [{ role: 'evidence-writer' }]);
    expect(await push(trivyReport({ CreatedAt: at() }), [], other)).toHaveLength(1);
  });

  it('is shared: a tenant beyond its share stores no further report, and replaces its own', async () => {
    const small = trivyReport({ CreatedAt: at() });
    await push(small);
    const { evidence } = broker.parts;
    const share = evidence.shareOf.bind(evidence);
    const others = { rows: 14_000, bytes: 1 };
    evidence.shareOf = (isCounted) => {
      const own = isCounted?.({ writer: 'scanner', tenant: 'scanner' }) === true;
      const isOfOthers = isCounted?.({ writer: 'x', tenant: 'x' }) === true;
      const ownRows = own ? 600 : 0;
      return isOfOthers
        ? { rows: others.rows + ownRows, bytes: others.bytes }
        : { ...share(isCounted), rows: ownRows };
    };
    broker.clock.advance(1_000);
    expect(await push(trivyReport({ CreatedAt: at() }))).toHaveLength(1);
    const another = push(
      trivyReport({
        CreatedAt: at(),
        Metadata: { ImageID: `sha256:${'9'.repeat(64)}`, RepoDigests: [] },
      }),
    );
    await expect(another).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      detail: expect.stringMatching(
        /^scanner, in what others leave of the space of all writers, may store 500 reports/,
      ),
    });
    const other = await broker.operator('other', [{ role: 'evidence-writer' }]);
    expect(await push(trivyReport({ CreatedAt: at() }), [], other)).toHaveLength(1);
  });

  it('is counted in rows and bytes', async () => {
    await one(trivyReport({ CreatedAt: at() }));
    const all = broker.parts.evidence.shareOf();
    expect(all.rows).toBe(1);
    expect(all.bytes).toBeGreaterThan(50);
    const shareOf = (name: string) =>
      broker.parts.evidence.shareOf(({ writer }) => writer === name);
    expect(shareOf('scanner')).toEqual(all);
    expect(shareOf('other')).toEqual({ rows: 0, bytes: 0 });
  });
});
