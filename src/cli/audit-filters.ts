/** The filters of the API under their names on the command line. */
export const AUDIT_FILTERS = [
  ['workload', 'k8s://<cluster>/<namespace>/<serviceaccount>'],
  ['cluster', 'name of a cluster'],
  ['namespace', 'of the workload'],
  ['pod', 'UID of the pod'],
  ['operator', 'name of an operator'],
  ['system', 'part of the broker that acted'],
  ['path', 'exactly this path'],
  ['path-prefix', 'this path and what lies below it'],
  ['document', 'a document, such as policy/payments'],
  ['locator', 'place at a backend, such as vault:secret/data/payments/db'],
  ['action', 'such as secret.read'],
  ['outcome', 'ok, deny or error'],
  ['code', 'such as ERR_DENIED'],
  ['secret-version', 'version of the secret'],
  ['lease', 'id of a lease'],
  ['credential', 'id of a credential'],
  ['session', 'id of a session'],
  ['token', "id of an operator's token"],
  ['request-id', 'of the broker'],
  ['fingerprint', 'of a value, as an entry has it'],
] as const;

export type FilterOptions = Readonly<Record<string, unknown>>;

/** `--secret-version` is `version` in the API, the others are named as there. */
export function filterQuery(options: FilterOptions): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [flag] of AUDIT_FILTERS) {
    const name = flag.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    const value = options[name];
    if (typeof value === 'string') query[name === 'secretVersion' ? 'version' : name] = value;
  }
  return query;
}
