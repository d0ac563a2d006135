import type { Progress } from '../../audit/proof/export.ts';
import { verifyExport, type ArchivedReport, type VerifyReport } from '../../audit/proof/verify.ts';
import type { WitnessDemand } from '../../audit/log/history-anchor.ts';
import { parseWitnessKey } from '../../crypto/log/cosignature.ts';
import { parseVerifierKey, type NoteVerifier } from '../../crypto/log/signed-note.ts';
import { BrokerError } from '../../domain/errors.ts';
import { archiveIn, type ArchiveArguments } from '../log/archive-storage.ts';
import { findNamedDirectory, readNamedFile } from '../../audit/base/named-file.ts';

export interface VerifyArguments extends ArchiveArguments {
  readonly checkpoint?: string;
  readonly logKey?: string;
  readonly witnessKey?: readonly string[];
  readonly requireWitnesses?: string;
}

/** Verifies an export and reports the findings. @throws ERR_CONFIG_INVALID if the directory or the checkpoint cannot be read */
export async function runAuditVerify(
  directory: string,
  options: VerifyArguments,
  progress: Progress,
): Promise<{ readonly holds: boolean; readonly text: string }> {
  // Without this check a misspelt name would look like a damaged log.
  await findNamedDirectory(directory);
  checkLogKey(options.logKey);
  const report = await verifyExport(directory, {
    externalCheckpoint:
      options.checkpoint === undefined
        ? undefined
        : await readNamedFile('--checkpoint', options.checkpoint),
    logKey: options.logKey,
    witnesses: witnessesIn(options),
    archive: await archiveIn(options),
    progress,
  });
  return { holds: report.holds, text: textOf(report) };
}

/** Checks the key of the log. Without this check a wrong key would look like a damaged manifest. @throws ERR_CONFIG_INVALID */
function checkLogKey(text: string | undefined): void {
  if (text === undefined) return;
  try {
    parseVerifierKey(text.trim());
  } catch (cause) {
    const detail =
      '--log-key is not the verifier key of a log, which looks like NAME+HASH+KEY; quaymaster init prints it';
    throw new BrokerError('ERR_CONFIG_INVALID', detail, { cause });
  }
}

/** @throws ERR_CONFIG_INVALID */
function witnessesIn({
  witnessKey = [],
  requireWitnesses,
}: VerifyArguments): WitnessDemand | undefined {
  if (witnessKey.length === 0 && requireWitnesses === undefined) return undefined;
  const required = Number(requireWitnesses ?? witnessKey.length);
  if (!Number.isInteger(required) || required < 1 || required > witnessKey.length) {
    const detail = `--require-witnesses is ${requireWitnesses ?? ''}; give a number from 1 to the number of --witness-key, which is ${witnessKey.length}`;
    throw new BrokerError('ERR_CONFIG_INVALID', detail);
  }
  return { keys: witnessKey.map(witnessKeyOf), required };
}

function witnessKeyOf(text: string): NoteVerifier {
  try {
    return parseWitnessKey(text.trim());
  } catch (cause) {
    const detail = `--witness-key "${text}" is not the verifier key of a witness, which looks like NAME+HASH+KEY (Ed25519 cosignature/v1)`;
    throw new BrokerError('ERR_CONFIG_INVALID', detail, { cause });
  }
}

function textOf(report: VerifyReport): string {
  const { holds, size, batches, writers, assurance, findingCount } = report;
  const extent = `${size} entries, ${batches} commits, ${writers.length} boots`;
  const lines = holds
    ? [`verified: ${extent}; assurance: ${assurance}`]
    : [`VERIFICATION FAILED (${extent}): ${counted(findingCount)}`];
  const { witnessed } = report;
  if (witnessed !== undefined) {
    const time = new Date(witnessed.time * 1_000).toISOString();
    lines.push(
      `witnessed: the first ${witnessed.size} entries, by ${witnessed.names.join(' and ')}, at ${time}`,
    );
  }
  if (!report.keyGiven) {
    lines.push(
      'Checked with the key inside the export. Pass --log-key from a trusted copy to prove whose log this is.',
    );
  }
  for (const { index, link } of report.origins) {
    const { origin, previous, abandoned } = link;
    const lost =
      abandoned && `; the ${abandoned.size} entries of ${abandoned.origin} are another history`;
    lines.push(
      `entry ${index}: released as ${origin}; it continues the first ${previous.size} entries of ${previous.origin}${lost ?? ''}`,
    );
  }
  if (report.archived !== undefined) lines.push(archivedText(report.archived));
  for (const { what, message, index } of report.findings) {
    lines.push(`${index === undefined ? '' : `entry ${index}: `}${what}: ${message}`);
  }
  const more = findingCount - report.findings.length;
  if (more > 0) lines.push(`and ${more} more`);
  return lines.join('\n');
}

function archivedText({ end, objects, wasRead, entry, time, actor }: ArchivedReport): string {
  const signed = `entries 0 to ${end - 1} are archived in ${objects === 1 ? '1 object' : `${objects} objects`}; entry ${entry} signs that${time === undefined ? '' : ` (${time}, by ${actor})`}`;
  return wasRead
    ? `${signed}. They were read from the archive.`
    : `${signed}. They were NOT read: only their hashes are part of this verification. Pass --archive to read them too.`;
}

function counted(findings: number): string {
  return findings === 1 ? '1 finding' : `${findings} findings`;
}
