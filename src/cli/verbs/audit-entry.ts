import type { components } from '../../client/index.ts';

type Found = components['schemas']['AuditEntry'];

/** The members of an entry that a line shows; docs/spec/audit-log-v1.md has them all. */
interface Entry {
  readonly time?: string;
  readonly requestId?: string;
  readonly actor?: { readonly kind?: string; readonly id?: string };
  readonly action?: string;
  readonly outcome?: string;
  readonly code?: string;
  readonly path?: string;
  readonly document?: { readonly kind?: string; readonly name?: string };
}

export const ENTRY_COLUMNS = ['index', 'time', 'who', 'action', 'outcome', 'what', 'request'];

export function entryCells({ index, entry }: Found): readonly unknown[] {
  const { time, actor, action, outcome, code, path, document, requestId } = entry as Entry;
  const what = path ?? (document && `${document.kind ?? ''} ${document.name ?? ''}`);
  const ended = code === undefined ? outcome : `${outcome ?? ''} ${code}`;
  return [index, time, actor?.id ?? actor?.kind, action, ended, what, requestId];
}

export function requestOf({ entry }: Found): string | undefined {
  return (entry as Entry).requestId;
}
