import type { Extent } from '../../src/cli/reports/rights.ts';
import { callAny, type OperationId, type Schema } from './client.ts';

/** The kinds of documents, in the order in which people meet them. `one` and `many` are the names in the operations of a kind. */
export const KINDS = [
  {
    word: 'policy',
    title: 'Policies',
    one: 'Policy',
    many: 'Policies',
    schema: 'AccessPolicy',
    about: 'which workloads may read, list, write and rotate what',
    start: `apiVersion: quaymaster.dev/v1
kind: AccessPolicy
metadata:
  name: NAME
spec:
  subjects:
    - clusters: [prod]
      namespaces: [shop]
      serviceAccounts: [web]
  rules:
    - name: own-secrets
      effect: allow
      paths: ['shop/**']
      capabilities: [read, list]
`,
  },
  {
    word: 'definition',
    title: 'Definitions',
    one: 'Definition',
    many: 'Definitions',
    schema: 'Definition',
    about: 'settings of one path: rotation, lease time, place at the backend',
    start: `rotation:
  strategy: generated
  schedule: { every: 30d }
`,
  },
  {
    word: 'mount',
    title: 'Mounts',
    one: 'Mount',
    many: 'Mounts',
    schema: 'Mount',
    about: 'backends attached at path prefixes',
    start: 'prefix: shop\nconnection: embedded\n',
  },
  {
    word: 'cluster',
    title: 'Clusters',
    one: 'Cluster',
    many: 'Clusters',
    schema: 'Cluster',
    about: 'token issuers whose workloads may log in',
    start: 'connection: prod\nissuer: https://issuer.example\naudiences: [quaymaster]\n',
  },
  {
    word: 'operator',
    title: 'Operators',
    one: 'Operator',
    many: 'Operators',
    schema: 'Operator',
    about: 'people and machines that operate the broker, with their roles',
    start: 'grants:\n  - role: auditor\n',
  },
  {
    word: 'role-binding',
    title: 'Role bindings',
    one: 'RoleBinding',
    many: 'RoleBindings',
    schema: 'RoleBinding',
    about: 'roles of people who log in at an issuer',
    start: 'issuer: people\nclaims: { groups: platform }\ngrants:\n  - role: auditor\n',
  },
  {
    word: 'posture-profile',
    title: 'Posture profiles',
    one: 'PostureProfile',
    many: 'PostureProfiles',
    schema: 'PostureProfile',
    about: 'what pods must be to get secrets',
    start:
      'mode: audit\nmatch:\n  namespaces: [shop]\npod:\n  securityStandard: { level: baseline, version: latest }\n',
  },
  {
    word: 'response-rule',
    title: 'Response rules',
    one: 'ResponseRule',
    many: 'ResponseRules',
    schema: 'ResponseRule',
    about: 'what the broker does after runtime alerts',
    start: 'match:\n  rules: [Terminal shell in container]\naction: audit\n',
  },
] as const;

export type Kind = (typeof KINDS)[number];

export function kindOf(word: Kind['word']): Kind {
  const found = KINDS.find((each) => each.word === word);
  if (found === undefined) throw new TypeError(`no kind of document is called ${word}`);
  return found;
}

/** Returns the extent in which a change of a document needs its role. The broker learns the scope of a policy from its text, and checks it as one types. */
export function extentOf({ word }: Kind, name = ''): Extent {
  if (word === 'definition' && name !== '') return { path: name };
  return word === 'definition' || word === 'policy' ? 'anywhere' : 'everywhere';
}

export type Stored = Schema<'StoredDocument'> & { readonly document: object };
export type Version = Schema<'DocumentVersion'> & { readonly document?: object };

function named({ word }: Kind, name: string): object {
  return word === 'definition' ? { path: name } : { name };
}

export function listDocuments(
  { many }: Kind,
  after: { readonly after?: string },
): Promise<{ readonly items: readonly Stored[]; readonly next?: string }> {
  const query = { limit: 1_000, ...after };
  return callAny(`list${many}`, { query }) as ReturnType<typeof listDocuments>;
}

export async function readDocument(kind: Kind, name: string): Promise<Stored> {
  return (await callAny(`read${kind.one}`, { path: named(kind, name) })) as Stored;
}

export async function listVersions(kind: Kind, name: string): Promise<readonly Version[]> {
  const id: OperationId = `list${kind.one}Versions`;
  const listed = await callAny(id, { path: named(kind, name) });
  return (listed as { readonly items: readonly Version[] }).items;
}

/** A document as typed, and the version that it replaces; without one it is new. */
interface Draft {
  readonly text: string;
  readonly etag: string | undefined;
}

/** Writes a document, or only checks it. @throws Refusal with the positions of faults */
export async function putDocument(
  kind: Kind,
  name: string,
  { text, etag }: Draft,
  { isDryRun }: { readonly isDryRun: boolean },
): Promise<Stored> {
  return (await callAny(`put${kind.one}`, {
    path: named(kind, name),
    query: isDryRun ? { dryRun: 'true' } : {},
    headers: etag === undefined ? { 'If-None-Match': '*' } : { 'If-Match': etag },
    raw: { type: 'application/yaml', text },
  })) as Stored;
}

export async function deleteDocument(kind: Kind, name: string, etag: string): Promise<void> {
  await callAny(`delete${kind.one}`, { path: named(kind, name), headers: { 'If-Match': etag } });
}
