import type { OptionRow } from '../../cli/run/command.ts';

export const CONFIG: OptionRow = [
  '-c, --config <file>',
  'configuration file of the broker',
  { fallback: '/etc/quaymaster/config.yaml' },
];

/** Options that name the place of archived entries of the log. */
export const ARCHIVE: readonly OptionRow[] = [
  ['--archive <place>', 'also read the archived entries, from a directory or s3://bucket/prefix'],
  ['--region <name>', 'region of the bucket; by default us-east-1'],
  ['--endpoint <url>', 'of S3-compatible storage other than AWS'],
];
