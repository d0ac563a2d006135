import { parseIpAddress } from '../../domain/network/ip-address.ts';
import { isSecretPath } from '../../domain/words/names.ts';
import { DocumentNode, type DocumentFields } from '../../domain/policy/document-node.ts';
import { CAPABILITIES, type Capability } from '../../domain/policy/index.ts';
import { ProblemList } from '../../domain/policy/problem-list.ts';
import type { LocatedDocument } from '../documents/read-files.ts';
import { problemAt } from '../documents/manifest.ts';
import {
  parseWorkloadId,
  workloadOf,
  WORKLOAD_FORMS,
  type Account,
  type Workload,
} from '../../domain/identity/workload.ts';
import { UsageError, type FileProblem } from '../kernel/errors.ts';

const API_VERSION = 'quaymaster.dev/v1';
export const TEST_KIND = 'PolicyTest';
const MOST_CASES = 10_000;
const NAMED = /^[a-z0-9._-]+\/\S+$/;

/** One expected decision. */
export interface PolicyCase {
  readonly source: LocatedDocument;
  readonly pointer: string;
  readonly name: string | undefined;
  readonly who: Workload;
  readonly capability: Capability;
  readonly path: string;
  readonly expect: 'allow' | 'deny';
  /** The `<policy>/<rule>` that is expected to decide. */
  readonly rule: string | undefined;
  readonly sourceAddress: string | undefined;
  /** Milliseconds since the epoch. */
  readonly at: number | undefined;
  readonly podLabels: ReadonlyMap<string, string> | undefined;
  /** True if the session's answers are encrypted to its key. */
  readonly sealed: boolean | undefined;
}

/** The cases of the files in their order. @throws UsageError with every problem and its line */
export function toCases(documents: readonly LocatedDocument[]): readonly PolicyCase[] {
  const found: FileProblem[] = [];
  const cases = documents.flatMap((source) => {
    const problems = new ProblemList();
    const read = readFixture(source, problems);
    for (const { pointer, message } of problems.list()) {
      found.push(problemAt(source, pointer, message));
    }
    return read;
  });
  if (found.length > 0) throw new UsageError('the tests are not valid', found);
  return cases;
}

function readFixture(source: LocatedDocument, problems: ProblemList): readonly PolicyCase[] {
  const root = DocumentNode.root(source.value, problems);
  const fields = root.fields({ required: ['apiVersion', 'kind', 'tests'], optional: ['defaults'] });
  fields.text('apiVersion', exactly(API_VERSION));
  fields.text('kind', exactly(TEST_KIND));
  const defaults = fields.object('defaults', { required: [], optional: ['sourceAddress', 'at'] });
  const facts = { sourceAddress: addressIn(defaults), at: timeIn(defaults) };
  return fields.items('tests', MOST_CASES, (item) => readCase(source, item, facts));
}

const OPTIONAL = ['name', 'rule', 'sourceAddress', 'at', 'pod', 'podLabels', 'sealed'];

function readCase(
  source: LocatedDocument,
  item: DocumentNode,
  defaults: Pick<PolicyCase, 'sourceAddress' | 'at'>,
): PolicyCase {
  const fields = item.fields({
    required: ['who', 'capability', 'path', 'expect'],
    optional: OPTIONAL,
  });
  const who = fields.text('who', (text) =>
    parseWorkloadId(text) === undefined ? `must be ${WORKLOAD_FORMS}` : undefined,
  );
  const account = parseWorkloadId(who) ?? { cluster: '', namespace: '', serviceAccount: '' };
  const pod = podIn(fields, account);
  return {
    source,
    pointer: item.pointer,
    name: fields.get('name')?.text(() => undefined),
    who: withPod(workloadOf(account), pod),
    capability: fields.text('capability', oneOf(CAPABILITIES)) as Capability,
    path: fields.text('path', (text) => (isSecretPath(text) ? undefined : 'must be a path')),
    expect: fields.text('expect', oneOf(['allow', 'deny'])) as PolicyCase['expect'],
    rule: fields
      .get('rule')
      ?.text((text) => (NAMED.test(text) ? undefined : 'must be <policy>/<rule>')),
    sourceAddress: addressIn(fields) ?? defaults.sourceAddress,
    at: timeIn(fields) ?? defaults.at,
    podLabels: labelsIn(fields),
    sealed: fields.get('sealed')?.flag(() => undefined),
  };
}

type Pod = NonNullable<Workload['pod']>;

function withPod(workload: Workload, pod: Pod | undefined): Workload {
  return pod === undefined || 'identity' in workload ? workload : { ...workload, pod };
}

function podIn(fields: DocumentFields, { namespace }: Account): Pod | undefined {
  const node = fields.get('pod');
  const given = node?.fields({ required: ['name', 'uid'] });
  if (given === undefined) return undefined;
  if (namespace === '') node?.refuse('is for workloads of Kubernetes');
  const any = (): undefined => undefined;
  return { name: given.text('name', any), uid: given.text('uid', any) };
}

function labelsIn(fields: DocumentFields): ReadonlyMap<string, string> | undefined {
  const entries = fields.get('podLabels')?.entries();
  if (entries === undefined) return undefined;
  return new Map(entries.map(([key, node]) => [key, node.text(() => undefined)]));
}

function addressIn(fields: DocumentFields): string | undefined {
  return fields
    .get('sourceAddress')
    ?.text((text) => (parseIpAddress(text) === undefined ? 'must be an address' : undefined));
}

function timeIn(fields: DocumentFields): number | undefined {
  const text = fields
    .get('at')
    ?.text((given) =>
      Number.isNaN(Date.parse(given)) ? 'must be a time such as 2026-01-05T10:00:00Z' : undefined,
    );
  return text === undefined ? undefined : Date.parse(text);
}

function exactly(expected: string): (text: string) => string | undefined {
  return (text) => (text === expected ? undefined : `must be ${expected}`);
}

function oneOf(words: readonly string[]): (text: string) => string | undefined {
  return (text) => (words.includes(text) ? undefined : `must be one of ${words.join(', ')}`);
}
