import { evidenceRow } from '../../../../src/features/posture/evidence-rows.ts';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { pushEvidence, type StoredEvidence } from '../../../../src/features/posture/evidence.ts';
import { SUMMARY_BOUNDS } from '../../../../src/features/posture/report-summary.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';
import { INDEX, openVex } from '../../../kit/images/scanner-reports.ts';
import { pushedBody } from '../../../kit/api/pushed-body.ts';

const OTHER = `sha256:${'e'.repeat(64)}`;

let broker: TestBroker;
let scanner: LiveOperator;

beforeEach(async () => {
  broker = await TestBroker.open();
  await broker.seed();
  scanner = await broker.operator('scanner', [{ role: 'evidence-writer' }]);
});
afterEach(async () => broker.close());

/** A scan in CycloneDX, whose tool has any name. */
function scan(tool: string, vulnerabilities = found(1, 'low')): object {
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    metadata: {
      timestamp: new Date(broker.clock.now()).toISOString(),
      tools: { components: [{ name: tool }] },
    },
    vulnerabilities,
  };
}

/** Vulnerabilities of one severity, in one package each. */
function found(count: number, severity: string, more: object = {}): readonly object[] {
  return Array.from({ length: count }, (_, at) => ({
    id: `CVE-2026-${String(at).padStart(4, '0')}`,
    ratings: [{ severity }],
    affects: [{ ref: `pkg:deb/p${at}@1` }],
    ...more,
  }));
}

function push(report: object, image = INDEX, by = scanner): Promise<readonly StoredEvidence[]> {
  const text = JSON.stringify(report);
  return pushEvidence(
    broker.parts,
    broker.call(),
    by,
    pushedBody({ report: text, image: [image] }),
  );
}

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (caught: unknown) => BrokerError.from(caught),
  );
  const [problem] = error?.problems ?? [];
  return `${error?.code ?? 'no error'} ${problem?.message ?? error?.detail ?? ''}`;
}

describe('reports about one image', () => {
  it('are of eight scanners for each writer, and others are refused with both numbers (D16)', async () => {
    for (let at = 0; at < 8; at += 1) await push(scan(`tool-${at}`));
    expect(await refusalOf(push(scan('tool-8')))).toBe(
      `ERR_CONFLICT the writer scanner may store reports of 8 scanners about ${INDEX}; this is number 9: an operator deletes some with "quaymaster evidence rm"`,
    );
    expect(await push(scan('tool-8'), OTHER)).toHaveLength(1);
    broker.clock.advance(1_000);
    expect(await push(scan('tool-7'))).toHaveLength(1);
    const other = await broker.operator('other', [{ role: 'evidence-writer' }]);
    expect(await push(scan('tool-9'), INDEX, other)).toHaveLength(1);
  });

  it('leave space for the reports of other scopes and of writers for all images', async () => {
    const scope = ['registry.test/shop'];
    for (let writer = 0; writer < 4; writer += 1) {
      const by = await broker.operator(`shop-${writer}`, [{ role: 'evidence-writer', scope }]);
      for (let at = 0; at < 8; at += 1) await push(scan(`tool-${writer}-${at}`), INDEX, by);
    }
    const last = await broker.operator('shop-4', [{ role: 'evidence-writer', scope }]);
    expect(await refusalOf(push(scan('more'), INDEX, last))).toContain(
      'may store 32 reports about',
    );
    const pay = { role: 'evidence-writer', scope: ['registry.test/pay'] };
    expect(await push(scan('trivy'), INDEX, await broker.operator('pay', [pay]))).toHaveLength(1);
    expect(await push(scan('trivy'))).toHaveLength(1);
  });

  it('count up to the bound of their writer, if the store has more', async () => {
    for (let at = 0; at < 40; at += 1) {
      const facts = {
        kind: 'secrets',
        scanner: `s${at}`,
        scannerVersion: '',
        digests: [INDEX],
        config: undefined,
        reportedAt: at,
        receivedAt: at,
        writer: at === 0 ? 'team' : 'flood',
        scope: [],
      } as const;
      const put = evidenceRow(facts, { findings: [] });
      await broker.store.commit({ writes: [{ table: 'image_evidence', put }] });
    }
    broker = await broker.reopen();
    const counted = broker.parts.evidence.of(INDEX).map(({ scanner: name }) => name);
    expect(counted).toHaveLength(17);
    expect(counted).toEqual(expect.arrayContaining(['s0', 's39', 's24']));
  });
});

describe('findings of a report', () => {
  it('are counted after expansion over all packages (D16)', async () => {
    const affects = Array.from({ length: 30_000 }, () => ({ ref: 'p' }));
    const two = found(2, 'low', { affects });
    expect(await refusalOf(push(scan('tool', two)))).toBe(
      'ERR_BODY_INVALID the report has 60000 findings, in all lists and packages together; the limit is 50000 (line 1, column 1)',
    );
  });

  it('are kept by severity up to a bound, and the others are counted', async () => {
    const report = scan('tool', [
      ...found(600, 'low'),
      ...found(3, 'critical', { recommendation: 'x' }),
    ]);
    const [stored] = await push(report);
    expect(stored?.count).toBe(603);
    const section = summary();
    expect(section.findings).toHaveLength(SUMMARY_BOUNDS.findings);
    expect(section.findings.slice(0, 4).map(({ severity }) => severity)).toEqual([
      'CRITICAL',
      'CRITICAL',
      'CRITICAL',
      'LOW',
    ]);
    expect(section.omitted).toEqual([{ severity: 'LOW', fixable: 0, others: 103 }]);
    broker = await broker.reopen();
    expect(broker.parts.evidence.countOf(broker.parts.evidence.of(INDEX)[0]!)).toBe(603);
  });

  it('have a bound in bytes too', async () => {
    const long = found(400, 'low', { affects: [{ ref: `pkg:deb/${'p'.repeat(400)}@1` }] });
    await push(scan('tool', long));
    const section = summary();
    expect(section.findings.length).toBeLessThan(200);
    expect(section.findings.length + (section.omitted[0]?.fixable ?? 0)).toBe(400);
  });

  it('are refused if a VEX document has too many statements, because none may be left out', async () => {
    const products = Array.from({ length: 2_001 }, (_, at) => `pkg:deb/p${at}@1`);
    const vex = openVex({ products }, { timestamp: new Date(broker.clock.now()).toISOString() });
    expect(await refusalOf(push(vex))).toContain('the limit is 2000');
  });
});

interface Summary {
  readonly findings: readonly { readonly severity: string }[];
  readonly omitted: readonly { readonly fixable: number }[];
}

function summary(): Summary {
  return broker.parts.evidence.of(INDEX)[0]!.section() as unknown as Summary;
}
