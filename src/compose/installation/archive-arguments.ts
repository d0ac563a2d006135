import { systemClock } from '../../process/clock.ts';
import type { ArchivePlace } from '../../ports/archive-place.ts';
import { openPlace } from '../../backup/archive-runs.ts';
import { findNamedDirectory } from '../../process/named-file.ts';

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
}: ArchiveArguments): Promise<ArchivePlace | undefined> {
  if (archive === undefined) return undefined;
  const [, bucket, prefix] = S3.exec(archive) ?? [];
  if (bucket !== undefined)
    return openPlace(
      { type: 's3', bucket, prefix, endpoint, region: region ?? DEFAULT_REGION },
      systemClock,
    );
  await findNamedDirectory(archive);
  return openPlace({ type: 'directory', path: archive }, systemClock);
}
