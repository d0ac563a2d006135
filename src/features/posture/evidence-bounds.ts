import { BrokerError } from '../../domain/errors.ts';
import { isWorkloadId } from '../../domain/identity/workload.ts';
import type { Evidence, EvidenceOf } from '../../domain/posture/evidence.ts';
import type { Tables } from '../../ports/tables.ts';
import { shareOfTenant, tenantOf, type Space } from '../../broker/recording/evidence-writers.ts';

type Row = Tables['image_evidence'];

interface Stored {
  readonly of: EvidenceOf;
  /** The bytes of a row; undefined if it is not stored. */
  bytesOf(id: string): number | undefined;
  shareOf(isCounted: (by: { readonly writer: string; readonly tenant: string }) => boolean): Space;
}

/** Limits of all evidence, which every replica keeps in memory. One writer can fill a quarter of it. */
const MOST = { rows: 20_000, bytes: 64 * 1_048_576 };
const MOST_OF_WRITER = { rows: MOST.rows / 4, bytes: MOST.bytes / 4 };
const OF_ALL = { isCounted: () => true, most: MOST, whose: 'all writers' };
/** One person may start pipelines with many identities. Together they leave space for operators and watches. */
const OF_WORKLOADS = {
  isCounted: isWorkloadId,
  most: { rows: MOST.rows / 2, bytes: MOST.bytes / 2 },
  whose: 'all workloads',
};

/**
 * Limits of the reports about one image. An evaluation reads all of them at once, and names of scanners are free text. An index
 * has a row for each platform and kind of findings. Reports with one scope fill only the space of their scope, so no team can keep
 * another team's image, or the reports of writers for all images, from being stored.
 */
export const MOST_OF_DIGEST = {
  ofWriter: { scanners: 8, rows: 16 },
  ofWorkloads: { rows: 24 },
  ofScope: { rows: 32 },
};

/** @throws ERR_CONFLICT, reason `evidence_full`, with the limit and the actual number */
export function checkSpace(evidence: Stored, rows: readonly Row[]): void {
  const [first] = rows;
  if (first === undefined) return;
  checkShares(evidence, first, rows);
  const digests = new Set(rows.flatMap((row) => JSON.parse(row.digests) as string[]));
  for (const digest of digests) checkImage(evidence.of(digest), digest, rows);
}

function checkShares(evidence: Stored, { writer, scope }: Row, rows: readonly Row[]): void {
  const replaced = rows.map(({ id }) => evidence.bytesOf(id)).filter((each) => each !== undefined);
  const added = {
    rows: rows.length - replaced.length,
    bytes: sum(rows.map(({ body }) => body.length)) - sum(replaced),
  };
  // A newer report in the space of an older one is never refused: an image would have none that counts.
  if (added.rows === 0 && added.bytes <= 0) return;
  const check = (whose: string, most: Space, share: Space): void => {
    const [isFull, isLarge] = [
      share.rows + added.rows > most.rows,
      share.bytes + added.bytes > most.bytes,
    ];
    if (!isFull && !isLarge) return;
    throw full(
      `${whose} may store ${most.rows} reports and ${most.bytes} bytes, and has ${share.rows} and ${share.bytes}`,
    );
  };
  const tenant = tenantOf({ writer, scope: JSON.parse(scope ?? '[]') as string[] });
  const ofTenant = evidence.shareOf((by) => by.tenant === tenant);
  check(
    `the writer ${writer}`,
    MOST_OF_WRITER,
    evidence.shareOf((by) => by.writer === writer),
  );
  for (const { isCounted, most, whose } of isWorkloadId(writer)
    ? [OF_ALL, OF_WORKLOADS]
    : [OF_ALL]) {
    const share = evidence.shareOf((by) => isCounted(by.writer));
    check(whose, most, share);
    const others = { rows: share.rows - ofTenant.rows, bytes: share.bytes - ofTenant.bytes };
    const ownShare = shareOfTenant(most, others);
    check(`${tenant}, in what others leave of the space of ${whose},`, ownShare, ofTenant);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

/** All rows of a push have one writer, one scope and one scanner. */
function checkImage(known: readonly Evidence[], digest: string, rows: readonly Row[]): void {
  const [{ writer, scope } = { writer: '', scope: null }] = rows;
  const others = known.filter(({ id }) => !rows.some((row) => row.id === id));
  const own = others.filter((each) => each.writer === writer);
  const { ofWriter, ofScope } = MOST_OF_DIGEST;
  const scanners = new Set([...own, ...rows].map(({ scanner }) => scanner)).size;
  const named = `the writer ${writer} may store reports of`;
  if (scanners > ofWriter.scanners) {
    throw full(
      `${named} ${ofWriter.scanners} scanners about ${digest}; this is number ${scanners}`,
    );
  }
  if (own.length + rows.length > ofWriter.rows) {
    const actual = own.length + rows.length;
    throw full(
      `${named} ${ofWriter.rows} kinds and platforms about ${digest}; with this one they are ${actual}`,
    );
  }
  const key = scope ?? '[]';
  const ofSame = others.filter((each) => JSON.stringify(each.scope) === key);
  const ofWorkloads = ofSame.filter((each) => isWorkloadId(each.writer));
  const shares = [
    { whose: 'all writers', most: ofScope.rows, stored: ofSame.length },
    ...(isWorkloadId(writer)
      ? [
          {
            whose: 'all workloads',
            most: MOST_OF_DIGEST.ofWorkloads.rows,
            stored: ofWorkloads.length,
          },
        ]
      : []),
  ];
  for (const { whose, most, stored } of shares) {
    const actual = stored + rows.length;
    if (actual <= most) continue;
    throw full(
      `${whose} with the scope ${key} may store ${most} reports about ${digest}; with this one they are ${actual}`,
    );
  }
}

function full(problem: string): BrokerError {
  return new BrokerError(
    'ERR_CONFLICT',
    `${problem}: an operator deletes some with "quaymaster evidence rm"`,
    { reason: 'evidence_full', isDetailShown: true },
  );
}
