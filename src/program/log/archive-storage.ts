import { archiveDirectory } from '../../audit/records/archive-directory.ts';
import type { ArchiveConfig } from '../../audit/base/config.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { Clock } from '../../ports/clock.ts';
import { systemClock } from '../../process/clock.ts';
import { findNamedDirectory } from '../../audit/base/named-file.ts';

/** The archive of the configuration; undefined if it has none. */
export async function openArchive(
  config: ArchiveConfig | undefined,
  clock: Clock,
): Promise<ArchiveStorage | undefined> {
  return config && openArchiveStorage(config.to, clock);
}

/** Loads the SDK of AWS only for a bucket. */
export async function openArchiveStorage(
  to: ArchiveConfig['to'],
  clock: Clock,
): Promise<ArchiveStorage> {
  if (to.type === 'directory') return archiveDirectory(to.path);
  const { archiveBucket } = await import('../../providers/aws/archive-bucket.ts');
  return archiveBucket(to, clock);
}

/** The options of commands that read archived entries. */
export interface ArchiveArguments {
  /** A directory, or `s3://bucket/prefix`. */
  readonly archive?: string;
  readonly region?: string;
  readonly endpoint?: string;
}

const S3 = /^s3:\/\/([^/]+)(?:\/(.+?))?\/?$/;
const DEFAULT_REGION = 'us-east-1';

/** The archive that the options name; undefined if they name none. @throws ERR_CONFIG_INVALID for a directory that does not exist */
export async function archiveIn({
  archive,
  region,
  endpoint,
}: ArchiveArguments): Promise<ArchiveStorage | undefined> {
  if (archive === undefined) return undefined;
  const [, bucket, prefix] = S3.exec(archive) ?? [];
  if (bucket !== undefined)
    return openArchiveStorage(
      { type: 's3', bucket, prefix, endpoint, region: region ?? DEFAULT_REGION },
      systemClock,
    );
  await findNamedDirectory(archive);
  return openArchiveStorage({ type: 'directory', path: archive }, systemClock);
}
