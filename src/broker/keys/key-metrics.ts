import type { Metric } from '../../ports/metrics.ts';
import type { RootKeyWrappers } from './root-key-wrappers.ts';

/** Metrics that show whether the key-encryption keys work: the next start needs one of them. */
export function keyMetrics({
  wrappers,
}: {
  readonly wrappers: RootKeyWrappers;
}): readonly Metric[] {
  return [
    {
      name: 'quaymaster_kek_failing',
      help: 'Key-encryption keys of the configuration whose last use failed',
      value: () => wrappers.problems().size,
    },
    {
      name: 'quaymaster_kek_last_success_age_seconds',
      help: 'Seconds since a key-encryption key last opened the root key; the broker tries once a minute',
      value: () => wrappers.sinceOpened() / 1000,
    },
  ];
}
