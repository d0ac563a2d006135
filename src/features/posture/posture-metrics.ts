import type { Metric } from '../../ports/metrics.ts';
import type { Posture } from './judging.ts';
import { WATCHED_OUTCOMES, type WatchedCounts } from './watched-reports.ts';

export interface PostureMeasured extends Pick<Posture, 'evidence'> {
  /** Signatures and attestations in memory; undefined in a broker without them. */
  readonly attestations?: { readonly count: number; readonly bytes: number } | undefined;
  /** Reports that this process read from custom resources of the Trivy Operator. */
  readonly watchedReports: () => WatchedCounts;
}

/** Reports of scanners (evidence) and signatures (attestations) about images. */
export function postureMetrics({
  evidence,
  attestations,
  watchedReports,
}: PostureMeasured): readonly Metric[] {
  return [
    {
      name: 'quaymaster_image_statements',
      help: 'Reports of scanners (evidence) and signatures (attestation) about images in the store',
      labels: ['kind'],
      values: () => [
        [{ kind: 'evidence' }, evidence.shareOf().rows],
        [{ kind: 'attestation' }, attestations?.count ?? 0],
      ],
    },
    {
      name: 'quaymaster_image_statement_bytes',
      help: 'Bytes of these reports and signatures; each replica keeps them in memory',
      labels: ['kind'],
      values: () => [
        [{ kind: 'evidence' }, evidence.shareOf().bytes],
        [{ kind: 'attestation' }, attestations?.bytes ?? 0],
      ],
    },
    {
      name: 'quaymaster_watched_reports_total',
      help: 'Reports of the Trivy Operator that this process read, by outcome',
      labels: ['cluster', 'outcome'],
      values: () =>
        [...watchedReports()].flatMap(([cluster, counts]) =>
          WATCHED_OUTCOMES.map(
            (outcome) => [{ cluster, outcome }, counts.get(outcome) ?? 0] as const,
          ),
        ),
    },
  ];
}
