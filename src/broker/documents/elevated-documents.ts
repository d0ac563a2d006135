import { BrokerError } from '../../domain/errors.ts';
import type { Plan } from '../../ports/store.ts';
import { DOCUMENT_VERSIONS } from '../../ports/queries.ts';
import { listAll } from '../kernel/list-all.ts';
import type { AuthenticatedRows } from '../kernel/row-macs.ts';
import {
  authenticateDocument,
  authenticateDocumentVersion,
  documentFence,
  openDocumentVersion,
  type StoredDocument,
} from '../model/document.ts';
import { isWider, type RatedDocument } from '../model/document-risk.ts';
import { parseSpec } from '../model/schema.ts';
import type { Backends, Recordable, Rights, Storage } from '../state/dependencies.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { scheduleChange } from '../state/schedule-row.ts';

/** One commit ends all documents of an elevation, so their number is bounded. */
export const MOST_ELEVATED = 50;

type ElevatedParts = Storage & Pick<Rights, 'catalog'> & AuthenticatedRows;

/**
 * The elevation without which the operator may not make a change; undefined if its lasting rights suffice.
 * @param authorize throws if the operator may not make the change
 */
export function neededElevation(
  live: LiveOperator,
  authorize: (live: LiveOperator) => void,
): string | undefined {
  if (live.elevated.length === 0) return undefined;
  const suffices = (elevated: LiveOperator['elevated']): boolean => {
    try {
      authorize(live.within(elevated));
      return true;
    } catch {
      return false;
    }
  };
  if (suffices([])) return undefined;
  const [first, ...others] = [...live.elevated].sort((a, b) => a.endsAt - b.endsAt);
  return (others.find((each) => suffices([each])) ?? first)?.id;
}

/**
 * Checks a change that only an elevation allows. The end of the elevation rolls back what the change gives, and keeps what the change takes: a deny of an incident stays.
 * So one change must not do both, and a removal must give nothing. Clusters and mounts decide who reaches what, as role bindings do, and are left to
 * lasting rights.
 * @param next undefined: the document is deleted
 * @throws ERR_DENIED, ERR_CONFLICT
 */
export async function checkElevated(
  parts: ElevatedParts,
  elevation: string,
  current: StoredDocument | undefined,
  next: StoredDocument | undefined,
): Promise<void> {
  const { kind, name } = (next ?? current) as StoredDocument;
  requireElevatable(kind);
  const other = current?.elevation;
  if (other !== undefined && other !== elevation) {
    throw new BrokerError(
      'ERR_CONFLICT',
      `the elevation ${other} changed ${kind} "${name}" and has not ended: confirm that change first (quaymaster approval confirm ${other})`,
    );
  }
  if (other === undefined && parts.catalog.under(elevation).length >= MOST_ELEVATED) {
    throw new BrokerError(
      'ERR_CONFLICT',
      `the elevation ${elevation} has changed ${MOST_ELEVATED} documents, the most that one may change`,
    );
  }
  const before = other === undefined ? current : await findLasting(parts, current);
  if (!isWider(before, next)) return;
  if (next !== undefined && !isWider(next, before)) return;
  throw new BrokerError(
    'ERR_CONFLICT',
    next === undefined
      ? `under an elevation a deletion must not lift a protection: change ${kind} "${name}" instead, which ends with the elevation`
      : `under an elevation a change of ${kind} "${name}" must either give or take, not both, because its end rolls back only what it gave: make two documents, or ask another admin`,
  );
}

/** @throws ERR_DENIED */
function requireElevatable(kind: StoredDocument['kind']): void {
  if (kind !== 'cluster' && kind !== 'mount') return;
  throw new BrokerError(
    'ERR_DENIED',
    `an elevation does not change a ${kind}; ask an operator whose own role is admin`,
    { reason: 'elevated', isDetailShown: true },
  );
}

type Lasting = RatedDocument & Pick<StoredDocument, 'body'>;

/** The state of a document before its elevation; undefined if it did not exist. */
async function findLasting(
  { store, rows }: Pick<ElevatedParts, 'store' | 'rows'>,
  document: StoredDocument | undefined,
): Promise<Lasting | undefined> {
  if (document === undefined) return undefined;
  const { kind, name, uid, elevation, defaults } = document;
  let newest = 0;
  let body: unknown;
  for await (const row of listAll(store, DOCUMENT_VERSIONS.ofDocument(kind, name))) {
    if (row.uid !== uid || row.elevation === elevation || row.version <= newest) continue;
    newest = row.version;
    ({ body } = openDocumentVersion(rows, row));
  }
  return body === undefined
    ? undefined
    : { kind, name, body, spec: parseSpec(kind, body, defaults) };
}

/** A document under an elevation in force, and its fate at the end of that. */
export interface ElevatedDocument {
  readonly document: StoredDocument;
  readonly atEnd: 'deleted' | 'restored' | 'kept';
  readonly before: Lasting | undefined;
}

/** Lists the documents that were written under an elevation and that no operator has confirmed, by kind and name. */
export async function findElevated(
  parts: ElevatedParts,
  elevation: string,
): Promise<readonly ElevatedDocument[]> {
  const found: ElevatedDocument[] = [];
  const documents = [...parts.catalog.under(elevation)].sort((a, b) =>
    `${a.kind}/${a.name}` < `${b.kind}/${b.name}` ? -1 : 1,
  );
  for (const document of documents) {
    const before = await findLasting(parts, document);
    const atEnd = !isWider(before, document)
      ? 'kept'
      : before === undefined
        ? 'deleted'
        : 'restored';
    found.push({ document, before, atEnd });
  }
  return found;
}

type Ended = Required<Pick<Plan, 'expect' | 'writes' | 'invalidates' | 'entries'>>;

/** Plans the end of all documents of an elevation. `entryOf` makes the audit entry of each. */
export async function planElevationEnd(
  parts: ElevatedParts & Pick<Backends, 'targets'>,
  elevation: string,
  entryOf: (event: Recordable) => string,
): Promise<Ended> {
  const ends = await Promise.all(
    (await findElevated(parts, elevation)).map((each) => planEnd(parts, each, entryOf)),
  );
  return {
    expect: ends.flatMap(({ expect }) => expect),
    writes: ends.flatMap(({ writes }) => writes),
    invalidates: ends.flatMap(({ invalidates }) => invalidates),
    entries: ends.flatMap(({ entries }) => entries),
  };
}

async function planEnd(
  parts: ElevatedParts & Pick<Backends, 'targets'>,
  { document, before, atEnd }: ElevatedDocument,
  entryOf: (event: Recordable) => string,
): Promise<Ended> {
  const { kind, name, uid, version, elevation: approval = '' } = document;
  const invalidates = [documentFence(kind, name), `document:${kind}/${name}`];
  const key = { kind, name };
  const expected = { table: 'documents', key, match: { uid, version } } as const;
  const about = { outcome: 'ok', approval, document: { kind, name, version } } as const;
  if (atEnd === 'kept') {
    const lasting = { ...document, body: document.body, spec: document.spec, elevation: undefined };
    return {
      expect: [expected],
      writes: [{ table: 'documents', put: authenticateDocument(parts.rows, lasting) }],
      invalidates,
      entries: [entryOf({ action: 'approval.expire', cause: 'kept', ...about })],
    };
  }
  const times = { updatedAt: parts.clock.now(), updatedBy: approval };
  const { defaults } = document;
  const next = { kind, name, uid, version: version + 1, defaults, ...times };
  const restored = before && { ...next, body: before.body, spec: before.spec };
  const schedule = await scheduleChange(parts, document, restored);
  const action = restored === undefined ? 'document.delete' : 'document.write';
  return {
    expect: [expected, ...schedule.expect],
    writes: [
      restored === undefined
        ? { table: 'documents', remove: key }
        : { table: 'documents', put: authenticateDocument(parts.rows, restored) },
      {
        table: 'document_versions',
        put: authenticateDocumentVersion(parts.rows, restored ?? next),
      },
      ...schedule.writes,
    ],
    invalidates,
    entries: [entryOf({ action, cause: 'elevation_ended', ...about })],
  };
}
