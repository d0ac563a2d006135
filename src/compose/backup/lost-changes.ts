import { openLogCheckpoint } from '../../crypto/checkpoint.ts';
import { verifierKeyText } from '../../crypto/signed-note.ts';
import { decodeBundle, tileWidth, TILE_WIDTH } from '../../crypto/tiles.ts';
import { ExportFiles } from '../../audit/export-files.ts';
import type { LogIdentity } from '../../audit/log-identity.ts';
import { verifyExport } from '../../audit/verify.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { AuditAction } from '../../domain/audit-event.ts';

/** Changes that a restored store does not have, in the order in which an operator must look at them. */
const KINDS: readonly (readonly [heading: string, actions: readonly AuditAction[]])[] = [
  [
    'removals and restrictions: apply them again before anybody uses the broker',
    [
      'document.delete',
      'operator-token.revoke',
      'quarantine.create',
      'session.end',
      'lease.revoke',
      'secret.delete',
      'secret.destroy',
    ],
  ],
  [
    'changed documents: policies, mounts, clusters, definitions, operators, role bindings',
    ['document.write'],
  ],
  ['rotated root keys: rotate again, with --compromised if a key had leaked', ['key.rotate']],
  ['rotated credentials: the restored value no longer logs in; rotate again', ['rotation.end']],
  ['issued credentials: the broker does not revoke them any more', ['credential.issue']],
  ['written or restored secrets: write them again', ['secret.write', 'secret.undelete']],
];

interface Entry {
  readonly time?: string;
  readonly action?: string;
  readonly outcome?: string;
  readonly cause?: string;
  readonly actor?: { readonly id?: string; readonly kind?: string };
  readonly path?: string;
  readonly workload?: string;
  readonly session?: string;
  readonly credential?: string;
  readonly token?: string;
  readonly quarantine?: string;
  readonly document?: { readonly kind: string; readonly name: string };
}

/**
 * Lists the changes that a newer export of the log has after the backup. Sessions that expired by themselves are not among them.
 * @throws ERR_CIPHERTEXT_INVALID if the export does not verify, or does not continue the log of the backup
 */
export async function lostChanges(
  directory: string,
  identity: LogIdentity,
  checkpoint: string,
): Promise<readonly string[]> {
  const { signer, verifier } = identity.configured;
  const logKey = verifierKeyText(signer.name, signer.key.publicKey);
  const report = await verifyExport(directory, { externalCheckpoint: checkpoint, logKey });
  if (report.assurance !== 'anchored')
    throw new BrokerError(
      'ERR_CIPHERTEXT_INVALID',
      `${directory} does not continue the log of the backup: ${report.findings[0]?.message ?? 'it is older'}`,
    );
  const { size: from } = openLogCheckpoint(checkpoint, verifier);
  const found = new Map<string, string[]>();
  const files = new ExportFiles(directory);
  for await (const { index, entry } of entriesOf(files, from, report.size)) {
    const kind = KINDS.find(([, actions]) =>
      (actions as readonly string[]).includes(entry.action ?? ''),
    );
    if (kind === undefined || entry.outcome !== 'ok' || isOwnEnd(entry)) continue;
    found.set(kind[0], [...(found.get(kind[0]) ?? []), lineOf(index, entry)]);
  }
  return KINDS.flatMap(([heading]) => {
    const lines = found.get(heading);
    return lines === undefined ? [] : [`${heading} (${lines.length})`, ...lines];
  });
}

/** Sessions and leases end by themselves all the time. Only their end by an operator is a decision that must be applied again. */
function isOwnEnd({ action, actor }: Entry): boolean {
  return (action === 'session.end' || action === 'lease.revoke') && actor?.kind !== 'operator';
}

async function* entriesOf(
  files: ExportFiles,
  from: number,
  size: number,
): AsyncGenerator<{ readonly index: number; readonly entry: Entry }> {
  for (let bundle = Math.floor(from / TILE_WIDTH); bundle * TILE_WIDTH < size; bundle++) {
    const width = tileWidth('entries', bundle, size);
    const entries = decodeBundle(await files.tile({ level: 'entries', index: bundle, width }));
    for (const [offset, bytes] of entries.entries()) {
      const index = bundle * TILE_WIDTH + offset;
      if (index >= from) yield { index, entry: JSON.parse(Buffer.from(bytes).toString()) as Entry };
    }
  }
}

function lineOf(index: number, entry: Entry): string {
  const { time, action, actor, document, path, workload, session, credential, token, quarantine } =
    entry;
  const subject =
    document === undefined
      ? [path, workload, credential ?? session, token, quarantine].filter(
          (each) => each !== undefined,
        )
      : [`${document.kind}/${document.name}`, ...(token === undefined ? [] : [token])];
  return `  ${index}  ${time}  ${action}  ${subject.join(' ')}  by ${actor?.id ?? actor?.kind ?? 'unknown'}`;
}
