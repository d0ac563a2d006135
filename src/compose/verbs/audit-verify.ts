import type { Progress } from '../../audit/export.ts';
import { verifyExport, type VerifyReport } from '../../audit/verify.ts';
import { findNamedDirectory, readNamedFile } from './named-file.ts';

/** Checks an export and says what was found. @throws ERR_CONFIG_INVALID for a directory or a checkpoint that cannot be read */
export async function runAuditVerify(
  directory: string,
  options: { readonly checkpoint?: string; readonly logKey?: string },
  progress: Progress,
): Promise<{ readonly holds: boolean; readonly text: string }> {
  // A misspelt name says nothing of any log.
  await findNamedDirectory(directory);
  const report = await verifyExport(directory, {
    externalCheckpoint:
      options.checkpoint === undefined
        ? undefined
        : await readNamedFile('--checkpoint', options.checkpoint),
    logKey: options.logKey,
    progress,
  });
  return { holds: report.holds, text: textOf(report) };
}

function textOf(report: VerifyReport): string {
  const verdict = report.holds ? 'the log holds' : 'THE LOG DOES NOT HOLD';
  const lines = [
    `${verdict}: ${report.size} entries in ${report.batches} commits of ${report.writers.length} boots, ${report.assurance}`,
  ];
  if (!report.keyGiven)
    lines.push(
      'the log key is the one that the export brought: give --log-key to know whose it is',
    );
  for (const { what, message, index } of report.findings) {
    lines.push(`${index === undefined ? '' : `entry ${index}: `}${what}: ${message}`);
  }
  const more = report.findingCount - report.findings.length;
  if (more > 0) lines.push(`and ${more} more`);
  return lines.join('\n');
}
