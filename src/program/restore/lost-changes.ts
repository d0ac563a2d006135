import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openLogCheckpoint } from '../../crypto/log/checkpoint.ts';
import { verifierKeyText, type NoteVerifier } from '../../crypto/log/signed-note.ts';
import { decodeBundle, tileWidth, TILE_WIDTH } from '../../crypto/log/tiles.ts';
import { constantTimeEqual } from '../../crypto/hashes/digest.ts';
import { ArchiveReader, entriesFrom } from '../../audit/records/archive-reader.ts';
import { checkContent } from '../../audit/log/check-content.ts';
import { storedAnnouncement } from '../../audit/records/batch-heads.ts';
import { readNamedFile } from '../../audit/base/named-file.ts';
import { ExportFiles } from '../../audit/proof/export-files.ts';
import { archiveObjectSchema, EXPORT_FILES } from '../../audit/records/export-format.ts';
import type { LogIdentity } from '../../audit/records/log-identity.ts';
import { storedIdentity } from '../../audit/log/log-origin.ts';
import { LogReader } from '../../audit/log/log-reader.ts';
import { PendingBatches } from '../../audit/log/pending-batches.ts';
import { ProvenEntries } from '../../audit/log/proven-entries.ts';
import { readRoot, storedCheckpoint } from '../../audit/log/stored-tree.ts';
import { verifyExport } from '../../audit/proof/verify.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { AuditAction } from '../../domain/audit/audit-event.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Store } from '../../ports/store.ts';

const ENTRIES_A_READ = 256;

const APPLIED_ACTIONS = [
  'document.delete',
  'operator-token.revoke',
  'security-key.remove',
  'quarantine.create',
  'session.end',
  'attestation.delete',
  'evidence.delete',
  'approval.deny',
  'approval.withdraw',
  'approval.use',
  'wrapping.open',
] as const satisfies readonly AuditAction[];
/** Actions that `release --apply-removals` applies again. */
export const APPLIED: ReadonlySet<string> = new Set(APPLIED_ACTIONS);

/** Changes that a restored store does not have, in the order in which an operator must look at them. */
const KINDS: readonly (readonly [heading: string, actions: readonly AuditAction[]])[] = [
  [
    'removals and restrictions: "release --apply-removals" applies all but those of leases and secrets, before a caller uses the broker',
    [...APPLIED_ACTIONS, 'lease.revoke', 'secret.delete', 'secret.destroy'],
  ],
  [
    'changed documents: policies, mounts, clusters, definitions, operators, role bindings',
    ['document.write'],
  ],
  [
    'lifted quarantines, new operator tokens and security keys: the restored store does not know them',
    ['quarantine.lift', 'operator-token.create', 'security-key.register'],
  ],
  ['grants that need an approval: demand them again, by approval require', ['approval.require']],
  ['rotated root keys: rotate again, with --compromised if a key had leaked', ['key.rotate']],
  [
    'key-encryption keys added or retired: the restored store is wrapped as at the backup',
    ['key.wrap', 'key.unwrap'],
  ],
  ['rotated credentials: the restored value no longer logs in; rotate again', ['rotation.end']],
  ['issued credentials: the broker does not revoke them any more', ['credential.issue']],
  [
    'written or restored secrets, and their custom metadata: write them again',
    ['secret.write', 'secret.undelete', 'secret.describe'],
  ],
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
  readonly approval?: string;
  readonly query?: string;
  readonly document?: { readonly kind: string; readonly name: string };
}

/** A log that continues the log of a backup. All its entries are verified. */
export interface NewerLog {
  /** Entries after the backup that were archived since, and are not among the entries, because no archive was given: `[first, end)`. */
  readonly archived: { readonly first: number; readonly end: number };
  /** The entries after the backup, in order. */
  readonly entries: () => AsyncIterable<{ readonly index: number; readonly entry: string }>;
}

/** The checkpoint of the backup, and where archived entries are read from. */
interface Since {
  readonly checkpoint: string;
  /** Verifies the checkpoint, if the log has had another origin than the configured one since. */
  readonly verifier?: NoteVerifier;
  readonly archive: ArchiveStorage | undefined;
}

/**
 * An export that is newer than the backup, with its archive.
 * @throws ERR_CIPHERTEXT_INVALID if they do not verify, or do not continue the log of the backup; ERR_CONFIG_INVALID if there is no export
 */
export async function newerExport(
  directory: string,
  identity: LogIdentity,
  { checkpoint, archive, verifier = identity.configured.verifier }: Since,
): Promise<NewerLog> {
  const manifest = join(directory, EXPORT_FILES.manifest);
  if (!existsSync(manifest)) {
    throw new BrokerError(
      'ERR_CONFIG_INVALID',
      `${directory} is not an export of the log: it has no file ${EXPORT_FILES.manifest}; quaymaster audit export makes one`,
    );
  }
  // An export that this user may not read would be reported as one that does not continue the log.
  await readNamedFile('newer log', manifest);
  const logKey = verifierKeyText(verifier.name, verifier.key.publicKey);
  const report = await verifyExport(directory, { externalCheckpoint: checkpoint, logKey, archive });
  if (report.assurance !== 'anchored')
    throw new BrokerError(
      'ERR_CIPHERTEXT_INVALID',
      `${directory} does not continue the log of the backup: ${report.findings[0]?.message ?? 'it is older'}`,
    );
  const { size: from } = openLogCheckpoint(checkpoint, verifier);
  const live = Math.max(from, report.archived?.end ?? 0);
  const files = new ExportFiles(directory);
  return {
    archived: { first: from, end: archive === undefined ? live : from },
    entries: async function* () {
      if (archive !== undefined && from < live)
        for await (const line of files.lines(EXPORT_FILES.archive)) {
          const object = archiveObjectSchema.parse(JSON.parse(line));
          if (object.end <= from) continue;
          yield* entriesFrom(await new ArchiveReader(archive).content(object, from), from);
        }
      yield* readExportedEntries(files, live, report.size);
    },
  };
}

/**
 * The log of a store that is newer than the backup: the entries in its tree, and the entries that were committed but are not in
 * the tree yet.
 * @throws ERR_CIPHERTEXT_INVALID if the log is damaged or does not continue that of the backup
 */
export async function newerStore(
  store: Store,
  configured: LogIdentity,
  {
    checkpoint: note,
    archive,
    clock,
    verifier = configured.configured.verifier,
  }: Since & { readonly clock: Clock },
): Promise<NewerLog> {
  const identity = await storedIdentity(store, configured);
  const newest = await storedCheckpoint(store, identity.verifier);
  const backup = openLogCheckpoint(note, verifier);
  const isNewer = newest !== undefined && newest.size >= backup.size;
  if (!isNewer || !constantTimeEqual(await readRoot(store, backup.size), backup.root))
    throw new BrokerError(
      'ERR_CIPHERTEXT_INVALID',
      'the log of the present store does not continue that of the backup',
    );
  const reader = new LogReader(store, identity);
  const live = Math.max(backup.size, await reader.archived.end());
  return {
    archived: { first: backup.size, end: archive === undefined ? live : backup.size },
    entries: async function* () {
      if (archive !== undefined && backup.size < live)
        for await (const object of reader.archived.objects(backup.size)) {
          const content = await new ArchiveReader(archive).content(object, object.first);
          // The list of the store names the object, but only the tree proves its entries.
          await checkContent(content, {
            checkpoint: newest,
            proven: new ProvenEntries(store),
            logKey: identity.verifier.key,
            announced: (writer) => storedAnnouncement(store, writer),
            pause: () => Promise.resolve(),
          });
          yield* entriesFrom(content, backup.size);
        }
      for (let at = live; at < newest.size; at += ENTRIES_A_READ)
        yield* await reader.entries(at, at + ENTRIES_A_READ);
      const pending = new PendingBatches(store, identity.verifier.key, clock);
      const batches: (readonly string[])[] = [];
      do await pending.read(({ entries }) => batches.push(entries));
      while (!pending.drained);
      for (const [at, entry] of batches.flat().entries()) yield { index: newest.size + at, entry };
    },
  };
}

export const UNLISTED =
  'Changes since the backup are lost. List them from a newer export of the log: --newer-log DIR. After the loss of the disk, the files of a sink have them: release --apply-removals.';

/** The changes after the backup with a heading, for the operator. `source` names the log that they are from; `without` are left out. */
export async function lostText(
  log: NewerLog,
  source: string,
  without: ReadonlySet<string> = new Set(),
): Promise<readonly string[]> {
  const lost = await listLostChanges(log, without);
  return [
    `Changes since the backup, by ${source}. They are lost; apply again what still counts:`,
    ...(lost.length === 0 ? ['  none'] : lost),
  ];
}

/**
 * Lists the changes after the backup, by what an operator must do about them. Sessions that expired by themselves are not among
 * them.
 */
async function listLostChanges(
  log: NewerLog,
  without: ReadonlySet<string>,
): Promise<readonly string[]> {
  const found = new Map<string, string[]>();
  for await (const { index, entry: text } of log.entries()) {
    const entry = JSON.parse(text) as Entry;
    const kind = KINDS.find(([, actions]) =>
      (actions as readonly string[]).includes(entry.action ?? ''),
    );
    const isLeftOut = entry.outcome !== 'ok' || without.has(entry.action ?? '') || isOwnEnd(entry);
    if (kind === undefined || isLeftOut) continue;
    found.set(kind[0], [...(found.get(kind[0]) ?? []), lineOf(index, entry)]);
  }
  const { first, end } = log.archived;
  const gap =
    first < end
      ? [
          `NOT COMPLETE: the entries ${first} to ${end - 1} are in the archive of the log, and what changed in them is not listed here; to list it: --archive PLACE`,
        ]
      : [];
  return [
    ...gap,
    ...KINDS.flatMap(([heading]) => {
      const lines = found.get(heading);
      return lines === undefined ? [] : [`${heading} (${lines.length})`, ...lines];
    }),
  ];
}

/** Sessions and leases end by themselves all the time. Only their end by an operator is a decision that must be applied again. */
function isOwnEnd({ action, actor }: Entry): boolean {
  if (action === 'evidence.delete') return actor?.kind === 'system';
  return (action === 'session.end' || action === 'lease.revoke') && actor?.kind !== 'operator';
}

async function* readExportedEntries(
  files: ExportFiles,
  from: number,
  size: number,
): AsyncGenerator<{ readonly index: number; readonly entry: string }> {
  for (let bundle = Math.floor(from / TILE_WIDTH); bundle * TILE_WIDTH < size; bundle++) {
    const width = tileWidth('entries', bundle, size);
    const entries = decodeBundle(await files.tile({ level: 'entries', index: bundle, width }));
    for (const [offset, bytes] of entries.entries()) {
      const index = bundle * TILE_WIDTH + offset;
      if (index >= from) yield { index, entry: Buffer.from(bytes).toString() };
    }
  }
}

function lineOf(index: number, entry: Entry): string {
  const { time, action, actor, document, path, workload, session, credential, token } = entry;
  const { quarantine, approval, query } = entry;
  const what = action === 'approval.require' ? query : approval;
  const subject =
    document === undefined
      ? [path, workload, credential ?? session, token, quarantine, what].filter(
          (each) => each !== undefined,
        )
      : [`${document.kind}/${document.name}`, ...(token === undefined ? [] : [token])];
  return `  ${index}  ${time}  ${action}  ${subject.join(' ')}  by ${actor?.id ?? actor?.kind ?? 'unknown'}`;
}
