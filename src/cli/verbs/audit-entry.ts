import type { components } from '../../client/index.ts';

type Found = components['schemas']['AuditEntry'];

/** The members of an entry that a line shows; internals/spec/audit-log-v1.md lists all of them. */
interface Entry {
  readonly time?: string;
  readonly requestId?: string;
  readonly actor?: { readonly kind?: string; readonly id?: string; readonly podName?: string };
  readonly action?: string;
  readonly outcome?: string;
  readonly code?: string;
  readonly reason?: string;
  readonly path?: string;
  readonly workload?: string;
  readonly pod?: { readonly cluster?: string; readonly uid?: string };
  readonly document?: { readonly kind?: string; readonly name?: string };
  readonly query?: string;
}

export const ENTRY_COLUMNS = [
  'index',
  'time',
  'who',
  'action',
  'outcome',
  'reason',
  'what',
  'request',
];

export function entryCells({ index, entry: found }: Found): readonly unknown[] {
  const entry: Entry = found;
  const { time, actor, action, outcome, code, reason, requestId } = entry;
  const ended = code === undefined ? outcome : `${outcome ?? ''} ${code}`;
  return [index, time, whoOf(actor), action, ended, reason, whatOf(entry), requestId];
}

/** Names the caller, with the pod of a workload. */
function whoOf({ kind, id, podName }: NonNullable<Entry['actor']> = {}): string | undefined {
  return podName === undefined ? (id ?? kind) : `${id ?? ''} (${podName})`;
}

/** Names the object of the action: a secret, a document, a workload or a pod, or else what the caller asked for, such as a path of another server. */
function whatOf({ path, document, workload, pod, query }: Entry): string | undefined {
  if (path !== undefined) return path;
  if (document !== undefined) return `${document.kind ?? ''} ${document.name ?? ''}`;
  return workload ?? (pod === undefined ? query : `pod ${pod.cluster ?? ''}/${pod.uid ?? ''}`);
}

export function requestOf({ entry }: Found): string | undefined {
  return (entry as Entry).requestId;
}
