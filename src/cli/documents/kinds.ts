/** The operations that each kind of document has, in the order in which documents refer to each other: created in this order, deleted in reverse. */
export const DOCUMENT_KINDS = [
  {
    /** Name on the command line. */
    word: 'cluster',
    plural: 'clusters',
    /** Name in files. */
    kind: 'Cluster',
    /** The API's word for its name. */
    parameter: 'name',
    list: 'listClusters',
    read: 'readCluster',
    put: 'putCluster',
    remove: 'deleteCluster',
    versions: 'listClusterVersions',
  },
  {
    word: 'mount',
    plural: 'mounts',
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
    plural: 'operators',
    kind: 'Operator',
    parameter: 'name',
    list: 'listOperators',
    read: 'readOperator',
    put: 'putOperator',
    remove: 'deleteOperator',
    versions: 'listOperatorVersions',
  },
  {
    word: 'role-binding',
    plural: 'role bindings',
    kind: 'RoleBinding',
    parameter: 'name',
    list: 'listRoleBindings',
    read: 'readRoleBinding',
    put: 'putRoleBinding',
    remove: 'deleteRoleBinding',
    versions: 'listRoleBindingVersions',
  },
  {
    word: 'definition',
    plural: 'definitions',
    kind: 'Definition',
    /** The path of the secret that it configures. */
    parameter: 'path',
    list: 'listDefinitions',
    read: 'readDefinition',
    put: 'putDefinition',
    remove: 'deleteDefinition',
    versions: 'listDefinitionVersions',
  },
  {
    word: 'policy',
    plural: 'policies',
    kind: 'AccessPolicy',
    parameter: 'name',
    list: 'listPolicies',
    read: 'readPolicy',
    put: 'putPolicy',
    remove: 'deletePolicy',
    versions: 'listPolicyVersions',
  },
  {
    word: 'posture-profile',
    plural: 'posture profiles',
    kind: 'PostureProfile',
    parameter: 'name',
    list: 'listPostureProfiles',
    read: 'readPostureProfile',
    put: 'putPostureProfile',
    remove: 'deletePostureProfile',
    versions: 'listPostureProfileVersions',
  },
  {
    word: 'response-rule',
    plural: 'response rules',
    kind: 'ResponseRule',
    parameter: 'name',
    list: 'listResponseRules',
    read: 'readResponseRule',
    put: 'putResponseRule',
    remove: 'deleteResponseRule',
    versions: 'listResponseRuleVersions',
  },
] as const;
export type DocumentKind = (typeof DOCUMENT_KINDS)[number];
export type DocumentWord = DocumentKind['word'];

export function kindOf(word: DocumentWord): DocumentKind {
  const found = DOCUMENT_KINDS.find((each) => each.word === word);
  if (found === undefined) throw new TypeError(`no kind of document is called ${word}`);
  return found;
}

export const POLICY = kindOf('policy');
export const POSTURE_PROFILE = kindOf('posture-profile');

export function pathOf({ parameter }: DocumentKind, name: string): Record<string, string> {
  return { [parameter]: name };
}
