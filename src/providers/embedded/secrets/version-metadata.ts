import { WRITE_METHODS, type VersionNote } from '../../../domain/secrets/secret.ts';
import type { SecretVersionInfo, VersionOrigin } from '../../../ports/secret-provider.ts';
import { isDeleted, type SecretHead, type VersionRow } from './rows.ts';

/** Formats the writer's note about a version for its row; internals/spec/secret-value-v1.md. Its bounds are those of the API. */
export function metadataText({ method, comment, labels }: VersionOrigin): string {
  return JSON.stringify({ method, comment, labels });
}

/** Builds the metadata of one version that a list of versions shows. */
export function describeVersion(row: VersionRow, head: SecretHead): SecretVersionInfo {
  return {
    version: String(row.version),
    createdAt: row.created_at,
    createdBy: row.created_by,
    ...(row.metadata !== null && noteIn(row.metadata)),
    ...stateOf(row, head),
  };
}

/**
 * Reads the note of a version. No MAC covers this text, so an attacker with access to the database may have changed it: a member
 * that the broker cannot have written is omitted, and the version stays in the list.
 */
function noteIn(text: string): VersionNote & Pick<SecretVersionInfo, 'method'> {
  let note: Readonly<Record<string, unknown>>;
  try {
    note = Object(JSON.parse(text)) as Readonly<Record<string, unknown>>;
  } catch {
    return {};
  }
  const { comment, labels } = note;
  const method = WRITE_METHODS.find((each) => each === note['method']);
  return {
    ...(method !== undefined && { method }),
    ...(typeof comment === 'string' && { comment }),
    ...(areLabels(labels) && { labels }),
  };
}

function areLabels(labels: unknown): labels is Readonly<Record<string, string>> {
  return (
    typeof labels === 'object' &&
    labels !== null &&
    !Array.isArray(labels) &&
    Object.values(labels).every((value) => typeof value === 'string')
  );
}

function stateOf(
  row: VersionRow,
  head: SecretHead,
): Pick<SecretVersionInfo, 'state' | 'destroyAt' | 'destroyedAt'> {
  if (row.destroyed_at !== null) return { state: 'destroyed', destroyedAt: row.destroyed_at };
  if (row.wrapped_dek === null) return { state: 'destroyed' };
  if (isDeleted(head, row.version)) {
    return { state: 'deleted', ...(head.destroy_at !== null && { destroyAt: head.destroy_at }) };
  }
  return { state: row.version === head.current_version ? 'current' : 'previous' };
}
