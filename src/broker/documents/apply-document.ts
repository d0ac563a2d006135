import { isDeepStrictEqual } from 'node:util';
import type { DocumentReference } from '../../domain/audit/audit-actions.ts';
import { BrokerError } from '../../domain/errors.ts';
import { isName, parseNewPath } from '../../domain/words/names.ts';
import { holdsEverywhere } from '../../domain/identity/principal.ts';
import type { AccessPolicy } from '../../domain/policy/index.ts';
import { isCuttingOff, type DefinitionSpec } from '../../domain/secrets/definition.ts';
import type { Expectation, Plan } from '../../ports/store.ts';
import { randomId } from '../../crypto/random/random.ts';
import type { Call } from '../access/call.ts';
import { recordFailure } from '../recording/operation.ts';
import type { Access, Backends, People, Recording, Storage, Work } from '../state/dependencies.ts';
import type { AuthenticatedRows } from '../kernel/row-macs.ts';
import { isConsent, withConsent, type Consenting } from '../recording/consent.ts';
import { commitAs, entryOf, type Attempt } from '../recording/record.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { denied } from '../access/judge.ts';
import { requireStepUp } from '../access/step-up.ts';
import { OPERATORS_FENCE } from '../access/ways-in.ts';
import { authorizeDocument, authorizeSpec, mayCreatePolicy } from './authority.ts';
import { grantingOf } from '../recording/granting.ts';
import { checkElevated, neededElevation } from './elevated-documents.ts';
import { checkAdminRemains } from './check-admin-remains.ts';
import { checkReferences, checkUnused } from './check-references.ts';
import { withAbsentNames } from './absent-names.ts';
import {
  documentFence,
  authenticateDocument,
  authenticateDocumentVersion,
  type StoredDocument,
} from '../model/document.ts';
import { isWider, mayStopMany } from '../model/document-risk.ts';
import type { DocumentKind } from '../model/kinds.ts';
import { policyIn, policyOf } from '../model/policy-form.ts';
import { checkPrecondition, type Precondition } from '../model/precondition.ts';
import { scheduleChange, type ScheduleChange } from '../state/schedule-row.ts';
import { DEFAULTS, parseSpec } from '../model/schema.ts';

export interface DocumentChange {
  readonly kind: DocumentKind;
  readonly name: string;
  readonly precondition: Precondition;
  /** Number of newest versions to keep; undefined: all of them. */
  readonly keptVersions?: number;
}

export interface AppliedDocument {
  readonly document: StoredDocument;
  /** Result of the change; for a dry run, the one that it would have. */
  readonly outcome: 'created' | 'changed' | 'unchanged';
}

/**
 * Removes the versions before the kept ones. Each change of a document makes one version, and so removes one; a deletion keeps fewer, and removes
 * `count` of them.
 */
function prunedVersions(
  keptVersions: number | undefined,
  { kind, uid, version }: Pick<StoredDocument, 'kind' | 'uid' | 'version'>,
  count = 1,
): Plan['writes'] & object {
  if (keptVersions === undefined) return [];
  const last = version - keptVersions;
  return Array.from({ length: Math.max(0, Math.min(last, count)) }, (_, at) => ({
    table: 'document_versions' as const,
    remove: { kind, uid, version: last - at },
  }));
}

/** Versions of a document that its deletion keeps, if its changes kept only some: the last one, and the deletion. */
const KEPT_AFTER_DELETION = 2;

/** A change with its body. A dry run makes every check of the change, is recorded, and changes nothing. */
export interface DocumentWrite extends DocumentChange {
  readonly body: unknown;
  readonly isDryRun?: boolean;
  /** True: a document that has this body already is left as it is, whatever the precondition, so that a repeated change succeeds. */
  readonly keepsSame?: boolean;
}

/**
 * Creates or replaces a document and keeps every version of it.
 * @throws ERR_DENIED, ERR_BODY_INVALID, ERR_UNKNOWN_FIELD, ERR_POLICY_INVALID, ERR_PRECONDITION_REQUIRED, ERR_VERSION_CONFLICT,
 * ERR_CONFLICT (a mount that would nest or overlap).
 */
export async function applyDocument(
  parts: Recording &
    Access &
    Consenting &
    Backends &
    AuthenticatedRows &
    People &
    Pick<Work, 'rotationsDue'>,
  call: Call,
  live: LiveOperator,
  change: DocumentWrite,
): Promise<AppliedDocument> {
  const action = change.isDryRun === true ? 'document.check' : 'document.write';
  const described = { action, document: named(change) } as const;
  const decide = async (
    decidedAt: number,
    editor: LiveOperator,
  ): Promise<Attempt<AppliedDocument>> => {
    const current = parts.catalog.find(change.kind, change.name);
    const document = nextOrProblems(parts, editor, change, current);
    const isDryRun = change.isDryRun === true;
    if (!isDryRun) requireStepUp(parts, editor, () => isRisky(current, document));
    if (document !== current && document.elevation !== undefined)
      await checkElevated(parts, document.elevation, current, document);
    await checkAdminRemains(parts, current, document);
    await checkReferences(parts, document, current, editor);
    const acting = { call, live: editor, decidedAt };
    const consent = parts.consents.to(acting, isDryRun ? undefined : grantingOf(current, document));
    if (!isConsent(consent)) return consent;
    const isKept = isDryRun || document === current;
    const schedule = await scheduleChange(parts, current, document);
    const { kind, name, version } = document;
    const done = isKept ? 'document.check' : 'document.write';
    const about = { outcome: 'ok', document: { kind, name, version } } as const;
    const approval = approvalOf(isKept ? undefined : document.elevation);
    const facts = { action: done, ...about, ...approval } as const;
    return {
      plan: withConsent(consent, {
        ...(isKept ? {} : changePlan(parts, change, { current, document, schedule })),
        ...authority(editor, decidedAt, change.kind),
        entries: [entryOf(parts, call, editor, facts)],
      }),
      settle: () => {
        if (!isKept && schedule.writes.length > 0) parts.rotationsDue.ring();
        return { document, outcome: outcomeOf(current, document) };
      },
      conflict: changedMeanwhile,
    };
  };
  const applied = (): Promise<AppliedDocument> => commitAs(parts, live, decide);
  // An elevation may change a number of documents: those of one moment are counted one after the other.
  const { elevatedTurns } = parts.catalog;
  const isCounted = live.elevated.length > 0;
  return (isCounted ? elevatedTurns.run(live.operator.name, applied) : applied()).catch(
    (error: unknown) => recordFailure({ parts, call, caller: live }, [described], error),
  );
}

/** Deletes a document; its versions remain. @throws as {@link applyDocument}, and ERR_NOT_FOUND. */
export async function deleteDocument(
  parts: Recording & Access & People & Pick<Backends, 'targets'> & AuthenticatedRows,
  call: Call,
  live: LiveOperator,
  change: DocumentChange,
): Promise<void> {
  const described = { action: 'document.delete', document: named(change) } as const;
  await commitAs(parts, live, async (decidedAt, editor): Promise<Attempt<undefined>> => {
    const current = parts.catalog.find(change.kind, change.name);
    authorizeDocument(editor, change.kind, change.name, policyOf(current));
    if (current === undefined) throw new BrokerError('ERR_NOT_FOUND');
    checkPrecondition(change.precondition, current);
    const elevation = neededElevation(editor, (own) => {
      authorizeDocument(own, change.kind, change.name, policyOf(current));
    });
    if (elevation !== undefined) await checkElevated(parts, elevation, current, undefined);
    await checkAdminRemains(parts, current, undefined);
    await checkUnused(parts, current);
    const schedule = await scheduleChange(parts, current, undefined);
    const { kind, name, uid, version } = current;
    const { keptVersions } = change;
    const updatedAt = parts.clock.now();
    const updatedBy = editor.operator.name;
    const gone = { kind, name, uid, version: version + 1, updatedAt, updatedBy, elevation };
    const about = { outcome: 'ok', document: { kind, name, version } } as const;
    const facts = { ...described, ...about, ...approvalOf(elevation) };
    return {
      plan: {
        ...authority(editor, decidedAt, change.kind),
        expect: [expectation(change, current), ...schedule.expect],
        writes: [
          { table: 'documents', remove: { kind, name } },
          { table: 'document_versions', put: authenticateDocumentVersion(parts.rows, gone) },
          ...prunedVersions(keptVersions && KEPT_AFTER_DELETION, gone, keptVersions),
          ...schedule.writes,
        ],
        invalidates: invalidated(kind, name),
        urgent: true,
        entries: [entryOf(parts, call, editor, facts)],
      },
      settle: () => undefined,
      conflict: changedMeanwhile,
    };
  }).catch((error: unknown) => recordFailure({ parts, call, caller: live }, [described], error));
}

function named({ kind, name }: DocumentChange): DocumentReference {
  return { kind, name };
}

function outcomeOf(
  current: StoredDocument | undefined,
  document: StoredDocument,
): AppliedDocument['outcome'] {
  if (current === undefined) return 'created';
  return document === current ? 'unchanged' : 'changed';
}

/** Makes the next document. @throws as `next`; of a body with wrong fields also what it names and does not exist */
function nextOrProblems(
  parts: Access & Backends & People,
  live: LiveOperator,
  change: DocumentWrite,
  current: StoredDocument | undefined,
): StoredDocument {
  try {
    return next(parts, live, change, current);
  } catch (error) {
    throw withAbsentNames(parts, change, error);
  }
}

function next(
  parts: Pick<Storage, 'clock'>,
  live: LiveOperator,
  change: DocumentWrite,
  current: StoredDocument | undefined,
): StoredDocument {
  const { kind, name, body } = change;
  authorizeChange(live, change, current);
  if (kind === 'definition') parseNewPath(name);
  else if (!isName(name)) throw new BrokerError('ERR_PATH_INVALID');
  const spec = parseSpec(kind, body, defaultsOf(kind, current));
  authorizeSpec(live, change, spec, current);
  const defaults = generationOf(live, change, spec, current);
  if (kind === 'policy' && (spec as AccessPolicy).metadata.name !== name) {
    throw new BrokerError('ERR_POLICY_INVALID', undefined, {
      problems: [{ pointer: '/metadata/name', message: 'must be the name in the address' }],
    });
  }
  const elevation = neededElevation(live, (own) => {
    authorizeChange(own, change, current);
    authorizeSpec(own, change, spec, current);
  });
  if (isSame(change, current) && !confirms(current, elevation, defaults)) return current;
  checkPrecondition(change.precondition, current);
  const { uid, version } = current ?? { uid: randomId('doc'), version: 0 };
  const times = { updatedAt: parts.clock.now(), updatedBy: live.operator.name };
  return { kind, name, uid, version: version + 1, body, spec, defaults, elevation, ...times };
}

/** The generation of defaults: posture profiles are the only kind whose defaults ever changed. */
function defaultsOf(kind: DocumentKind, current: StoredDocument | undefined): number {
  if (current !== undefined) return current.defaults ?? 0;
  return kind === 'posture-profile' ? DEFAULTS : 0;
}

/**
 * Reports whether the same document confirms the current one: an operator whose lasting rights suffice confirms what an elevation wrote, and a responder the
 * decoy of an earlier release.
 */
function confirms(
  current: StoredDocument,
  elevation: string | undefined,
  defaults: number,
): boolean {
  const isLasting = current.elevation !== undefined && elevation === undefined;
  return isLasting || defaults > (current.defaults ?? 0);
}

/** The generation with which a document is written. Only a responder gives a decoy that cuts off readers its power; another editor keeps it. */
function generationOf(
  { operator }: LiveOperator,
  { kind }: DocumentWrite,
  spec: unknown,
  current: StoredDocument | undefined,
): number {
  if (kind !== 'definition') return defaultsOf(kind, current);
  if (!isCuttingOff((spec as DefinitionSpec).decoy)) return 0;
  return holdsEverywhere(operator, 'responder') ? DEFAULTS : (current?.defaults ?? 0);
}

/** The approval of the elevation under which a document is written, for its entry. */
function approvalOf(elevation: string | undefined): { readonly approval?: string } {
  return elevation === undefined ? {} : { approval: elevation };
}

/**
 * Requires a recent login of a person for changes of one request, before any of them is made. A change that the person may not make,
 * or that is refused for another reason, demands none: the answer would tell about the document.
 * @throws ERR_STEP_UP_REQUIRED
 */
export function requireStepUpFor(
  parts: Access & People,
  live: LiveOperator,
  changes: readonly DocumentWrite[],
): void {
  const isDemanded = (change: DocumentWrite): boolean => {
    const current = parts.catalog.find(change.kind, change.name);
    try {
      return isRisky(current, next(parts, live, change, current));
    } catch {
      return false;
    }
  };
  requireStepUp(parts, live, () => changes.some(isDemanded));
}

/** Reports whether a person needs a recent login for the change. */
function isRisky(current: StoredDocument | undefined, document: StoredDocument): boolean {
  return document !== current && (isWider(current, document) || mayStopMany(current, document));
}

function isSame(
  { body, keepsSame }: DocumentWrite,
  current: StoredDocument | undefined,
): current is StoredDocument {
  return keepsSame === true && current !== undefined && isDeepStrictEqual(current.body, body);
}

/**
 * Authorizes the change before any error about the body. A caller without a policy-editor role learns nothing about errors in a policy. For
 * a scoped editor, an absent policy and one outside its scope look the same, whatever body it sends.
 * @throws ERR_DENIED
 */
function authorizeChange(
  live: LiveOperator,
  { kind, name, body, precondition }: DocumentChange & { readonly body: unknown },
  current: StoredDocument | undefined,
): void {
  // The policy is not parsed for an editor of all policies: it is parsed once more for the change.
  if (kind === 'policy' && holdsEverywhere(live.operator, 'policy-editor')) return;
  const reached = policyOf(current) ?? (kind === 'policy' ? policyIn(body) : undefined);
  authorizeDocument(live, kind, name, reached);
  if (kind !== 'policy' || current !== undefined) return;
  const { ifNoneMatch, writtenBy } = precondition;
  if ((ifNoneMatch ?? writtenBy) === undefined || !mayCreatePolicy(live, name)) {
    throw denied('scope_name');
  }
}

interface Changed {
  readonly current: StoredDocument | undefined;
  readonly document: StoredDocument;
  readonly schedule: ScheduleChange;
}

function changePlan(
  parts: AuthenticatedRows,
  { keptVersions }: DocumentChange,
  { current, document, schedule }: Changed,
): Plan {
  const { kind, name } = document;
  return {
    expect: [expectation(document, current), ...schedule.expect],
    writes: [
      { table: 'documents', put: authenticateDocument(parts.rows, document) },
      { table: 'document_versions', put: authenticateDocumentVersion(parts.rows, document) },
      ...prunedVersions(keptVersions, document),
      ...schedule.writes,
    ],
    invalidates: invalidated(kind, name),
  };
}

function authority(live: LiveOperator, decidedAt: number, kind: DocumentKind): Plan {
  const reads = decidesWaysIn(kind) ? [...live.fences, OPERATORS_FENCE] : live.fences;
  return { decidedAt, reads, notAfter: live.operator.endsAt };
}

function invalidated(kind: DocumentKind, name: string): readonly string[] {
  const own = [documentFence(kind, name), `document:${kind}/${name}`];
  return decidesWaysIn(kind) ? [...own, OPERATORS_FENCE] : own;
}

function decidesWaysIn(kind: DocumentKind): boolean {
  return kind === 'operator' || kind === 'role-binding';
}

function expectation(
  { kind, name }: { readonly kind: DocumentKind; readonly name: string },
  current: StoredDocument | undefined,
): Expectation {
  const key = { kind, name };
  return current === undefined
    ? { table: 'documents', key, absent: true }
    : { table: 'documents', key, match: { uid: current.uid, version: current.version } };
}

function changedMeanwhile(): BrokerError {
  return new BrokerError(
    'ERR_VERSION_CONFLICT',
    'it was changed at the same moment; read it again',
  );
}
