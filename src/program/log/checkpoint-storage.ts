import { checkpointFile } from '../../audit/log/checkpoint-file.ts';
import type { AuditConfig } from '../../audit/base/config.ts';
import type { CheckpointStorage } from '../../ports/checkpoint-storage.ts';
import type { Clock } from '../../ports/clock.ts';

/** The place of the last checkpoint. Loads the SDK of AWS only for a bucket; sends nothing yet. */
export async function openCheckpointStorage(
  { checkpoint, checkpointFile: path }: AuditConfig,
  clock: Pick<Clock, 'after'>,
): Promise<CheckpointStorage> {
  if (path !== undefined) return checkpointFile(path);
  if (checkpoint === undefined) throw new TypeError('the configuration has neither place');
  const { checkpointObject } = await import('../../providers/aws/checkpoint-object.ts');
  return checkpointObject(checkpoint, clock);
}
