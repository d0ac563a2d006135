import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ReportWatch } from '../../../../src/auth/index.ts';
import { WatchedReports } from '../../../../src/features/posture/watched-reports.ts';
import type { Log } from '../../../../src/ports/log.ts';
import { until } from '../../../kit/backends/until.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';
import { hostileValue } from '../../../kit/checks/hostile-values.ts';
import { INDEX, operatorReport } from '../../../kit/images/scanner-reports.ts';
import { ScriptedResources } from '../../../kit/fakes/scripted-resources.ts';
import { storedEntries } from '../../../kit/store/store-diff.ts';
import { warningsLog } from '../../../kit/fakes/warnings-log.ts';

const HOUR = 3_600_000;
const VULNERABILITIES = 'apis/aquasecurity.github.io/v1alpha1/vulnerabilityreports';
const SECRETS = 'apis/aquasecurity.github.io/v1alpha1/exposedsecretreports';

let broker: TestBroker;
let reports: WatchedReports;
let warnings: Readonly<Record<string, unknown>>[] = [];

beforeEach(async () => {
  broker = await TestBroker.open();
  warnings = [];
  const log: Log = {
    ...broker.parts.log,
    warn: (fields) => void warnings.push(fields),
  };
  reports = new WatchedReports({ ...broker.parts, log });
});
afterEach(() => broker.close());

const report = (ageMs = 0, change: object = {}, kind = 'VulnerabilityReport'): object =>
  operatorReport(kind, {
    updateTimestamp: new Date(broker.clock.now() - ageMs).toISOString(),
    ...change,
  });
const counts = (): object =>
  Object.fromEntries([...reports.counts().values()].flatMap((each) => [...each]));
/** Takes a report; the clock passes the pause after it. */
async function take(object: unknown): Promise<void> {
  let done = false;
  const taken = reports.take('east', object).finally(() => {
    done = true;
  });
  await until('the report was taken', () => {
    broker.clock.advance(20);
    return Promise.resolve(done);
  });
  await taken;
}

describe('a watched report', () => {
  it('becomes evidence of the writer of its cluster, in the log', async () => {
    await take(report());
    await take(report(0, {}, 'ExposedSecretReport'));
    expect(broker.parts.evidence.of(INDEX)).toMatchObject([
      { kind: 'vulnerabilities', scanner: 'trivy', writer: 'watch:east' },
      { kind: 'secrets', scanner: 'trivy', writer: 'watch:east' },
    ]);
    const entries = await storedEntries(broker.parts.store);
    expect(entries.filter(({ action }) => action === 'evidence.write')).toMatchObject([
      { actor: { kind: 'system', id: 'watch:east' }, query: `vulnerabilities trivy ${INDEX}` },
      { actor: { kind: 'system', id: 'watch:east' }, query: `secrets trivy ${INDEX}` },
    ]);
  });

  it('replaces an older one, and an older one changes nothing (EV03)', async () => {
    const first = report(HOUR);
    await take(first);
    const [old] = broker.parts.evidence.of(INDEX);
    await take(first);
    await take(report(2 * HOUR));
    expect(broker.parts.evidence.of(INDEX)).toEqual([old]);
    await take(report(0, { vulnerabilities: [] }));
    expect(broker.parts.evidence.of(INDEX)[0]?.section()).toMatchObject({ findings: [] });
    expect(counts()).toEqual({ stored: 2, unchanged: 2 });
  });

  it('is not read if it is historical', async () => {
    const metadata = {
      annotations: { 'trivy-operator.aquasecurity.github.io/report-ttl': '0s' },
    };
    await take({ ...report(), metadata });
    expect(counts()).toEqual({ unchanged: 1 });
  });

  it.each<[string, (good: object) => object, string]>([
    ['from the future', () => report(-HOUR), 'is from the future'],
    ['without a digest', () => report(0, { artifact: {} }), 'names no digest'],
    ['of a poisoned release', () => report(0, { scanner: { version: '0.69.5' } }), 'poisoned'],
    ['with a broken list', () => report(0, { vulnerabilities: {} }), 'must be a list'],
    ['of another kind', (good) => ({ ...good, kind: 'SbomReport' }), 'must be VulnerabilityReport'],
    ['that nests too deep', (good) => ({ ...good, deep: nested(100_000) }), 'nests too deep'],
    [
      'of more levels than a report has',
      (good) => ({ ...good, deep: nested(40) }),
      'may nest 32 deep',
    ],
    ['with too many values', (good) => ({ ...good, many: many() }), '1048576 characters'],
  ])('%s is refused with its place (EV01, EV02)', async (_what, change, problem) => {
    await take(change(report()));
    expect(broker.parts.evidence.all()).toEqual([]);
    expect(counts()).toEqual({ refused: 1 });
    expect(warnings).toMatchObject([
      {
        cluster: 'east',
        namespace: 'shop',
        report: 'replicaset-web-7d-web',
        pointer: expect.any(String),
        problem: expect.stringContaining(problem),
      },
    ]);
  });

  it('is stored, skipped or refused, whatever its shape is (EV01)', async () => {
    await fc.assert(
      fc.asyncProperty(hostileValue(report()), (value) => take(value)),
      { numRuns: 40, examples: [[undefined]] },
    );
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('fails the watch if the store cannot commit', async () => {
    await broker.close();
    await expect(reports.take('east', report())).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_/),
    });
    broker = await TestBroker.open();
  });
});

describe('the watch of reports', () => {
  it('reads pages and events, resumes after 410 Gone, and keeps evidence of deleted reports (EV08)', async () => {
    const api = new ScriptedResources();
    const named = (at: number): object => ({ metadata: { name: `r${at}` } });
    const taken: string[] = [];
    let interruptions = 0;
    const take = (object: unknown): Promise<void> => {
      taken.push((object as { metadata: { name: string } }).metadata.name);
      return Promise.resolve();
    };
    api.set(
      VULNERABILITIES,
      Array.from({ length: 25 }, (_, at) => named(at)),
    );
    const { clock } = broker;
    const log = warningsLog(() => void (interruptions += 1));
    const watch = new ReportWatch(take, { api, clock, random: () => 0.5, log });
    const seen = (name: string): Promise<void> =>
      until(`${name} is taken`, () => Promise.resolve(taken.includes(name)));
    await seen('r24');
    await until('both are watched', () =>
      Promise.resolve(api.watches(VULNERABILITIES) + api.watches(SECRETS) === 2),
    );
    expect(api.requests.filter((path) => path === VULNERABILITIES)).toHaveLength(3);
    expect([...watch.statuses()]).toEqual([
      ['vulnerabilityreports', 'live'],
      ['exposedsecretreports', 'live'],
    ]);
    api.send(VULNERABILITIES, 'DELETED', { metadata: { name: 'gone' } });
    api.send(VULNERABILITIES, 'MODIFIED', { metadata: { name: 'changed' } });
    await seen('changed');
    expect(taken).not.toContain('gone');
    api.set(VULNERABILITIES, [{ metadata: { name: 'after' } }]);
    api.expire(VULNERABILITIES);
    await until('the watch pauses', () => Promise.resolve(interruptions === 1));
    clock.advance(1_000);
    await seen('after');
    await watch.close();
  });
});

function nested(depth: number): object {
  let value = {};
  for (let at = 0; at < depth; at += 1) value = { value };
  return value;
}

function many(): readonly number[] {
  return Array.from({ length: 1_000_001 }, () => 0);
}
