import type { CallId, PagedId } from '../../client/index.ts';

export type Word = 'cluster' | 'mount' | 'operator' | 'definition' | 'policy';

/** What operators keep, with the operations that each kind has. */
export interface DocumentKind {
  /** On the command line. */
  readonly word: Word;
  /** In files. */
  readonly kind: string;
  /** What the API calls its name: a definition is named by the path it is about. */
  readonly parameter: 'name' | 'path';
  readonly list: PagedId;
  readonly read: CallId;
  readonly put: CallId;
  readonly remove: CallId;
  readonly versions: CallId;
}

export const POLICY: DocumentKind = {
  word: 'policy',
  kind: 'AccessPolicy',
  parameter: 'name',
  list: 'listPolicies',
  read: 'readPolicy',
  put: 'putPolicy',
  remove: 'deletePolicy',
  versions: 'listPolicyVersions',
};

/** In the order in which they may name each other: made in this order, deleted in the other. */
export const DOCUMENT_KINDS: readonly DocumentKind[] = [
  {
    word: 'cluster',
    kind: 'Cluster',
    parameter: 'name',
    list: 'listClusters',
    read: 'readCluster',
    put: 'putCluster',
    remove: 'deleteCluster',
    versions: 'listClusterVersions',
  },
  {
    word: 'mount',
    kind: 'Mount',
    parameter: 'name',
    list: 'listMounts',
    read: 'readMount',
    put: 'putMount',
    remove: 'deleteMount',
    versions: 'listMountVersions',
  },
  {
    word: 'operator',
    kind: 'Operator',
    parameter: 'name',
    list: 'listOperators',
    read: 'readOperator',
    put: 'putOperator',
    remove: 'deleteOperator',
    versions: 'listOperatorVersions',
  },
  {
    word: 'definition',
    kind: 'Definition',
    parameter: 'path',
    list: 'listDefinitions',
    read: 'readDefinition',
    put: 'putDefinition',
    remove: 'deleteDefinition',
    versions: 'listDefinitionVersions',
  },
  POLICY,
];

export function kindOf(word: Word): DocumentKind {
  const found = DOCUMENT_KINDS.find((each) => each.word === word);
  if (found === undefined) throw new TypeError(`no kind of document is called ${word}`);
  return found;
}

export function pathOf({ parameter }: DocumentKind, name: string): Record<string, string> {
  return { [parameter]: name };
}
