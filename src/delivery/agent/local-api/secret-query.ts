/** A request for a secret, with the parameters of AWS's agent. */
export interface SecretQuery {
  readonly secretId: string;
  readonly versionId: string | undefined;
  readonly versionStage: string | undefined;
  readonly isRefreshed: boolean;
}

const LOOKUP = '/secretsmanager/get';
/** The other form of the same request: `/v1/payments/db`. */
const BY_PATH = '/v1/';
const TRUTH: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);
const PARAMETERS = ['secretId', 'versionId', 'versionStage', 'refreshNow'];

/**
 * Parses a request target.
 * @returns the query, or the problem with it; undefined for any other path
 */
export function parseSecretQuery(target: string): SecretQuery | string | undefined {
  const url = URL.parse(target, 'http://local');
  if (url === null || !target.startsWith('/')) return 'the path is not valid';
  const isByPath = url.pathname.startsWith(BY_PATH);
  if (!isByPath && url.pathname !== LOOKUP) return undefined;
  return readParameters(
    url.searchParams,
    isByPath ? url.pathname.slice(BY_PATH.length) : undefined,
  );
}

function readParameters(query: URLSearchParams, path: string | undefined): SecretQuery | string {
  const names = [...query.keys()];
  const known = path === undefined ? PARAMETERS : PARAMETERS.slice(1);
  if (names.some((name) => !known.includes(name))) return 'unknown parameter';
  if (new Set(names).size !== names.length) return 'a parameter is given twice';
  const isRefreshed = TRUTH.get((query.get('refreshNow') ?? 'false').toLowerCase());
  if (isRefreshed === undefined) return 'invalid refreshNow value';
  const secretId = path ?? query.get('secretId') ?? '';
  if (secretId === '') return 'missing parameter secretId';
  return {
    secretId,
    versionId: query.get('versionId') ?? undefined,
    versionStage: query.get('versionStage') ?? undefined,
    isRefreshed,
  };
}
