import { isDeepStrictEqual } from 'node:util';
import { BrokerError } from '../../domain/errors.ts';
import { instant } from '../../domain/time/instant.ts';
import {
  loggedDecision,
  type LoggedDecision,
  type Recorded,
} from '../../domain/audit/logged-decision.ts';
import { sharedViewFor, decidePossible, type Capability } from '../../domain/policy/index.ts';
import { workloadId } from '../../domain/identity/workload.ts';
import type { AuditLog, LogEntry } from '../../ports/audit-log.ts';
import { DOCUMENT_VERSIONS } from '../../ports/queries.ts';
import { isKnownDecoy } from '../recording/decoys.ts';
import type { Call } from '../access/call.ts';
import { openDocumentVersion, type DocumentVersion } from '../model/document.ts';
import type { DocumentKind } from '../model/kinds.ts';
import type { Access, Recording } from '../state/dependencies.ts';
import { recordOperation, requireRole } from '../recording/operation.ts';
import type { AuthenticatedRows } from '../kernel/row-macs.ts';
import { currentPodLabels } from '../access/judge.ts';
import { findBlocks, revokedVersions } from '../access/access-blocks.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';
import { toRedecision, type Redecision } from './decision-tally.ts';
import { explainSteps, resultLine, stepLines, type ExplainStep } from '../access/explain-steps.ts';

type Parts = Recording & Access & AuthenticatedRows & { readonly audit: AuditLog };

/** One entry by its index, or all entries of a request. */
export type EntryQuestion = { readonly index: number } | { readonly requestId: string };

/** Decision of the past, the decision that the same caller would get now, and the changes between. */
export interface ExplainedEntry {
  readonly index: number;
  readonly time: number;
  readonly workload: string;
  readonly capability: Capability;
  readonly path: string;
  readonly recorded: Recorded;
  readonly current: Redecision;
  readonly steps: readonly ExplainStep[];
  readonly lines: readonly string[];
}

/** A batch has an entry for each item. */
const MOST_ENTRIES = 100;

/**
 * Explains the decision that an entry records. Only an auditor may ask: the answer shows the entry.
 * @throws ERR_DENIED, ERR_NOT_FOUND, ERR_REQUEST_INVALID for an entry that records no decision about a workload
 */
export async function explainEntry(
  parts: Parts,
  call: Call,
  live: LiveOperator,
  question: EntryQuestion,
): Promise<readonly ExplainedEntry[]> {
  const query = 'index' in question ? `entry=${question.index}` : `requestId=${question.requestId}`;
  return recordOperation(
    { parts, call, caller: live },
    { action: 'policy.explain', query },
    async (operator) => {
      requireRole(operator, 'auditor');
      const entries = await findEntries(parts, question);
      const explained: ExplainedEntry[] = [];
      for (const found of entries) {
        const decision = loggedDecision(found.entry);
        if (decision === undefined || 'skipped' in decision) continue;
        explained.push(await explainOne(parts, operator, found, decision));
      }
      if (explained.length === 0) throw noDecision(question, entries);
      return explained;
    },
  );
}

async function findEntries(
  { audit }: Parts,
  question: EntryQuestion,
): Promise<readonly LogEntry[]> {
  if ('index' in question) return [await audit.proveEntry(question.index)];
  const { requestId } = question;
  const { items } = await audit.search({ requestId }, { limit: MOST_ENTRIES });
  if (items.length === 0) {
    throw new BrokerError('ERR_NOT_FOUND', 'the log has no entry of this request', {
      isDetailShown: true,
    });
  }
  return items.toReversed();
}

function noDecision(question: EntryQuestion, entries: readonly LogEntry[]): BrokerError {
  const [first] = entries;
  const { action } = JSON.parse(first?.entry ?? '{}') as { readonly action?: string };
  const which = 'index' in question ? `entry ${question.index}` : 'the request';
  return new BrokerError(
    'ERR_REQUEST_INVALID',
    `${which} (${action ?? 'no action'}) records no decision of a policy about one workload and path`,
    { reason: 'no_decision' },
  );
}

async function explainOne(
  parts: Parts,
  operator: LiveOperator,
  { index, entry }: LogEntry,
  decision: LoggedDecision,
): Promise<ExplainedEntry> {
  const { workload, path, capability, recorded, session, last: time } = decision;
  const now = parts.clock.now();
  const row =
    session === undefined ? undefined : await parts.store.get('sessions', { id: session });
  const possible = decidePossible(sharedViewFor(parts.catalog.policies, workload), {
    path,
    capability,
    now,
    sourceAddress: decision.sourceAddress,
    podLabels: currentPodLabels(parts, workload),
    sealed: row && parts.sessions.open(row).senderKey !== undefined,
  });
  const current = toRedecision(possible);
  const reads = capability === 'read' ? path : undefined;
  const blocks = await findBlocks(parts, workload, { at: now, session: undefined, reads });
  const revoked = await revokedVersions(parts, { workload, path, session });
  const policy = { verdict: VERDICTS[current.effect], text: decisionText(current) };
  const isDecoy = isKnownDecoy(parts, operator, path);
  const steps = explainSteps(parts, { workload, path, policy, blocks, revoked, isDecoy });
  const changes = await changesSince(parts, decision, current);
  const lines = [
    `entry ${index}, ${instant(time)}: ${workloadId(workload)} ${capability} ${path}`,
    `then: ${thenText(entry, recorded)}`,
    ...(await documentLines(parts, decision)),
    ...(session === undefined ? [] : [sessionLine(session, row !== undefined)]),
    ...changes.map((change) => `changed: ${change}`),
    ...stepLines(steps),
    `policy: ${decisionText(current)}`,
    resultLine(steps),
  ];
  return {
    index,
    time,
    workload: workloadId(workload),
    capability,
    path,
    recorded,
    current,
    steps,
    lines,
  };
}

const VERDICTS = { allow: 'passes', deny: 'blocks', unknown: 'unknown' } as const;

function decisionText({ effect, policy, version, rule, dependsOn = [] }: Redecision): string {
  if (effect === 'unknown') return `it depends on ${dependsOn.join(', ')}`;
  const by = policy === undefined ? '' : ` by policy ${policy} v${version ?? 0}, ${rule ?? ''}`;
  if (effect === 'allow') return `allowed${by}`;
  return policy === undefined ? 'denied: no allow matches' : `denied${by}`;
}

function thenText(text: string, recorded: Recorded): string {
  const { outcome, code, reason } = JSON.parse(text) as {
    readonly outcome: string;
    readonly code?: string;
    readonly reason?: string;
  };
  const result = [code, reason].filter((word) => word !== undefined).join(', ');
  const ended = outcome === 'ok' ? 'answered' : `${outcome} (${result})`;
  return `${decisionText(recorded)}; ${ended}`;
}

function sessionLine(session: string, isOpen: boolean): string {
  return isOpen
    ? `session: ${session} is open`
    : `session: ${session} has ended; the workload needs a new one`;
}

/** The documents that the request used then. */
async function documentLines(
  parts: Parts,
  { workload, path, last }: LoggedDecision,
): Promise<readonly string[]> {
  const mount = parts.catalog.mounts.find(path)?.name;
  const named: readonly (readonly [DocumentKind, string | undefined])[] = [
    ['cluster', workload.cluster],
    ['mount', mount],
    ['definition', path],
  ];
  const lines: string[] = [];
  for (const [kind, name] of named) {
    if (name === undefined) continue;
    const [version] = inForce(await listVersions(parts, kind, name), last);
    const text = version === undefined || version.deleted ? 'none' : `${name} v${version.version}`;
    lines.push(`${kind} then: ${text}`);
  }
  return lines;
}

/** Changes of the documents that the decision depends on, oldest first. */
async function changesSince(
  parts: Parts,
  { workload, path, recorded, last }: LoggedDecision,
  { policy, among = [] }: Redecision,
): Promise<readonly string[]> {
  const policies = [recorded.policy, policy, ...among.map((rule) => rule.policy)];
  const named: readonly (readonly [DocumentKind, string | undefined])[] = [
    ...[...new Set(policies)].map((name) => ['policy', name] as const),
    ['cluster', workload.cluster],
    ['mount', parts.catalog.mounts.find(path)?.name],
    ['definition', path],
  ];
  const changes: { readonly at: number; readonly text: string }[] = [];
  for (const [kind, name] of named) {
    if (name === undefined) continue;
    const versions = await listVersions(parts, kind, name);
    for (const each of versions.filter(({ createdAt }) => createdAt > last)) {
      const before = versions[versions.indexOf(each) + 1];
      changes.push({ at: each.createdAt, text: changeText(kind, name, each, before) });
    }
  }
  return changes.toSorted((a, b) => a.at - b.at).map(({ text }) => text);
}

function changeText(
  kind: DocumentKind,
  name: string,
  version: DocumentVersion,
  before: DocumentVersion | undefined,
): string {
  const what = version.deleted
    ? 'deleted'
    : before === undefined || before.deleted
      ? `created, v${version.version}`
      : `v${before.version} to v${version.version}${isDeepStrictEqual(before.body, version.body) ? ', same content' : ''}`;
  return `${kind} ${name} ${what} (${instant(version.createdAt)} by ${version.createdBy})`;
}

/** The version that was current at that time, first. */
function inForce(versions: readonly DocumentVersion[], at: number): readonly DocumentVersion[] {
  return versions.filter(({ createdAt }) => createdAt <= at);
}

const MOST_VERSIONS = 100;

/** The newest versions of a document, newest first. */
async function listVersions(
  { store, rows }: Parts,
  kind: DocumentKind,
  name: string,
): Promise<readonly DocumentVersion[]> {
  const found = await store.list(DOCUMENT_VERSIONS.ofDocument(kind, name), {
    limit: MOST_VERSIONS,
  });
  return found.map((row) => openDocumentVersion(rows, row));
}
