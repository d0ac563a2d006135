import type { components } from '../../src/ports/openapi/api.ts';
import type { InputArguments, SuccessBody } from '../../src/client/contract-types.ts';

/** A schema of openapi.yaml. */
export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name];

/** All operations that the console calls; those of its buttons with the roles of which one is needed. A test compares them with openapi.yaml. */
export const OPERATIONS = {
  readOwnToken: 'GET /api/v1/operator-tokens/self',
  endOwnLogin: 'DELETE /api/v1/logins/self',
  readReadiness: 'GET /readyz',
  readStatus: 'GET /api/v1/status',
  listSecrets: 'GET /api/v1/secrets',
  readSecret: 'GET /api/v1/secrets/{path} secret-reader',
  listSecretVersions: 'GET /api/v1/secret-versions/{path}',
  listReceivers: 'GET /api/v1/audit/receivers',
  listRotations: 'GET /api/v1/rotations',
  readRotation: 'GET /api/v1/rotations/{path}',
  listLeases: 'GET /api/v1/leases',
  readLease: 'GET /api/v1/leases/{id}',
  listSessions: 'GET /api/v1/sessions',
  explainDecision: 'POST /api/v1/policies:explain policy-editor auditor admin',
  listQuarantines: 'GET /api/v1/quarantines',
  createQuarantine: 'POST /api/v1/quarantines responder admin',
  liftQuarantine: 'DELETE /api/v1/quarantines/{id} responder admin',
  endSessions: 'POST /api/v1/sessions:end responder admin',
  listAlerts: 'GET /api/v1/alerts',
  approveAlert: 'POST /api/v1/alerts/{id}:approve responder admin',
  dismissAlert: 'POST /api/v1/alerts/{id}:dismiss responder admin',
  openIncident: 'POST /api/v1/incidents responder admin',
  readIncident: 'GET /api/v1/incidents/{id}',
  listApprovals: 'GET /api/v1/approvals',
  readApproval: 'GET /api/v1/approvals/{id}',
  approveRequest: 'POST /api/v1/approvals/{id}:approve admin',
  denyRequest: 'POST /api/v1/approvals/{id}:deny admin',
  beginSecurityKey: 'POST /api/v1/security-keys:begin',
  finishSecurityKey: 'POST /api/v1/security-keys:finish',
  writeSecret: 'PUT /api/v1/secrets/{path} secret-editor admin',
  patchSecret: 'POST /api/v1/secrets/{path}:patch secret-editor admin',
  deleteSecret: 'DELETE /api/v1/secrets/{path} secret-editor admin',
  undeleteSecret: 'POST /api/v1/secrets/{path}:undelete secret-editor admin',
  readRotationHistory: 'GET /api/v1/rotation-history/{path}',
  runRotation: 'POST /api/v1/rotations/{path}:run rotator admin',
  drillRotation: 'POST /api/v1/rotations/{path}:drill rotator admin',
  retryRotation: 'POST /api/v1/rotations/{path}:retry rotator admin',
  abortRotation: 'POST /api/v1/rotations/{path}:abort rotator admin',
  rollBackRotation: 'POST /api/v1/rotations/{path}:rollback rotator admin',
  revokeLeases: 'POST /api/v1/leases:revoke responder admin',
  searchAudit: 'GET /api/v1/audit/entries',
  proveEntry: 'GET /api/v1/audit/entries/{index}/proof',
  readLogKey: 'GET /api/v1/audit/log-key',
  readCheckpoint: 'GET /api/v1/audit/checkpoint',
  listPolicies: 'GET /api/v1/policies',
  readPolicy: 'GET /api/v1/policies/{name}',
  putPolicy: 'PUT /api/v1/policies/{name} policy-editor admin',
  deletePolicy: 'DELETE /api/v1/policies/{name} policy-editor admin',
  listPolicyVersions: 'GET /api/v1/policies/{name}/versions',
  listDefinitions: 'GET /api/v1/definitions',
  readDefinition: 'GET /api/v1/definitions/{path}',
  putDefinition: 'PUT /api/v1/definitions/{path} secret-editor admin',
  deleteDefinition: 'DELETE /api/v1/definitions/{path} secret-editor admin',
  listDefinitionVersions: 'GET /api/v1/definition-versions/{path}',
  listMounts: 'GET /api/v1/mounts',
  readMount: 'GET /api/v1/mounts/{name}',
  putMount: 'PUT /api/v1/mounts/{name} admin',
  deleteMount: 'DELETE /api/v1/mounts/{name} admin',
  listMountVersions: 'GET /api/v1/mounts/{name}/versions',
  listClusters: 'GET /api/v1/clusters',
  readCluster: 'GET /api/v1/clusters/{name}',
  putCluster: 'PUT /api/v1/clusters/{name} admin',
  deleteCluster: 'DELETE /api/v1/clusters/{name} admin',
  listClusterVersions: 'GET /api/v1/clusters/{name}/versions',
  listOperators: 'GET /api/v1/operators',
  readOperator: 'GET /api/v1/operators/{name}',
  putOperator: 'PUT /api/v1/operators/{name} admin',
  deleteOperator: 'DELETE /api/v1/operators/{name} admin',
  listOperatorVersions: 'GET /api/v1/operators/{name}/versions',
  listRoleBindings: 'GET /api/v1/role-bindings',
  readRoleBinding: 'GET /api/v1/role-bindings/{name}',
  putRoleBinding: 'PUT /api/v1/role-bindings/{name} admin',
  deleteRoleBinding: 'DELETE /api/v1/role-bindings/{name} admin',
  listRoleBindingVersions: 'GET /api/v1/role-bindings/{name}/versions',
  listPostureProfiles: 'GET /api/v1/posture-profiles',
  readPostureProfile: 'GET /api/v1/posture-profiles/{name}',
  putPostureProfile: 'PUT /api/v1/posture-profiles/{name} policy-editor admin',
  deletePostureProfile: 'DELETE /api/v1/posture-profiles/{name} policy-editor admin',
  listPostureProfileVersions: 'GET /api/v1/posture-profiles/{name}/versions',
  listResponseRules: 'GET /api/v1/response-rules',
  readResponseRule: 'GET /api/v1/response-rules/{name}',
  putResponseRule: 'PUT /api/v1/response-rules/{name} policy-editor admin',
  deleteResponseRule: 'DELETE /api/v1/response-rules/{name} policy-editor admin',
  listResponseRuleVersions: 'GET /api/v1/response-rules/{name}/versions',
  listOperatorTokens: 'GET /api/v1/operators/{name}/tokens',
  revokeOperatorToken: 'DELETE /api/v1/operators/{name}/tokens/{id}',
  checkMount: 'POST /api/v1/mounts/{name}:check responder admin',
  readKeys: 'GET /api/v1/keys',
  listBackups: 'GET /api/v1/backups',
  createBackup: 'POST /api/v1/backups admin',
  readArchive: 'GET /api/v1/audit/archive',
  readConfiguration: 'GET /api/v1/configuration',
  reloadConfiguration: 'POST /api/v1/configuration:reload admin',
  listAlertSources: 'GET /api/v1/alert-sources',
  surveyPosture: 'POST /api/v1/posture:survey policy-editor auditor admin',
  explainPosture: 'POST /api/v1/posture:explain policy-editor auditor admin',
  listEvidence: 'GET /api/v1/evidence',
  listAttestations: 'GET /api/v1/attestations',
  replayPolicies: 'POST /api/v1/policies:replay policy-editor auditor admin',
  readOpenApi: 'GET /openapi.json',
} as const;

export type OperationId = keyof typeof OPERATIONS;

/** An answer that reports a failure. `status` is 0 if the broker could not be reached. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly code: string;
  readonly requestId: string | undefined;
  /** Faults of a document, with their positions. */
  readonly problems: readonly Schema<'DocumentProblem'>[];
  /** The contexts of a login of which the operation needs one (RFC 9470). */
  readonly acr: readonly string[];

  constructor(status: number, problem: Partial<Schema<'Problem'>>, acr: readonly string[] = []) {
    super(problem.detail ?? problem.title ?? UNREACHABLE);
    this.status = status;
    this.code = problem.code ?? 'UNREACHABLE';
    this.requestId = problem.requestId;
    this.problems = problem.problems ?? [];
    this.acr = acr;
  }

  /** Makes a refusal of what was thrown. @param detail the text for anything else than a refusal; by default the broker does not answer */
  static from(thrown: unknown, detail?: string): Refusal {
    if (thrown instanceof Refusal) return thrown;
    return new Refusal(0, detail === undefined ? {} : { detail });
  }

  /** The session ended, or there is none. */
  get isSignedOut(): boolean {
    return this.status === 401;
  }
}

const UNREACHABLE = 'The broker does not answer.';
/** The broker closes the connection of a longer request line, as if it did not answer. */
const LONGEST_URL = 8_000;
const TOO_LONG = 'The request is too long for the broker. Shorten the filter.';

/** The build of this page. */
export const BUILD = document.querySelector<HTMLMetaElement>('meta[name="build"]')?.content ?? '';

/** The input of any operation; `raw` is the text of a document, so that faults have positions in it. */
interface Input {
  readonly path?: object | undefined;
  readonly query?: object | undefined;
  readonly headers?: object | undefined;
  readonly body?: unknown;
  readonly raw?: { readonly type: string; readonly text: string } | undefined;
}

interface AnswerFacts {
  readonly status: number;
  readonly build: string | null;
  readonly date: string | null;
}

type Observer = (facts: AnswerFacts) => void;
let observe: Observer = () => undefined;

/** Registers the function that learns of each answer: whether the broker is there, and which page it serves. */
export function onAnswer(observer: Observer): void {
  observe = observer;
}

/** Calls an operation of the API. @throws Refusal */
export async function call<Id extends OperationId>(
  id: Id,
  ...[input]: InputArguments<Id>
): Promise<SuccessBody<Id>> {
  return (await callAny(id, input)) as SuccessBody<Id>;
}

/** Calls an operation that is known only when the page runs, such as one of a kind of document. @throws Refusal */
export async function callAny(id: OperationId, input: Input = {}): Promise<unknown> {
  const { path, query, headers, body, raw } = input;
  const [method = '', template = ''] = OPERATIONS[id].split(' ');
  const target = fill(template, path ?? {});
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined) search.set(name, String(value));
  // The broker refuses a plus for a space, because it could mean either.
  const asked = String(search).replaceAll('+', '%20');
  const url = `/console/call${target}${asked === '' ? '' : `?${asked}`}`;
  if (url.length > LONGEST_URL) throw new Refusal(414, { detail: TOO_LONG });
  if (raw === undefined) return send(method, url, body, headers);
  return send(method, url, raw.text, { ...headers, 'Content-Type': raw.type });
}

/**
 * Names of the broker have no character that needs escaping; anything else is escaped, and the broker refuses it. The browser itself resolves the
 * segments "." and "..", so a typed path could become another operation.
 * @throws Refusal
 */
function fill(template: string, path: object): string {
  return template.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
    const value = String((path as Record<string, unknown>)[name]);
    const segments = value.split('/');
    if (segments.some((each) => each === '.' || each === '..'))
      throw new Refusal(0, { detail: 'A path has no segment "." or "..".' });
    return segments
      .map(encodeURIComponent)
      .join('/')
      .replaceAll('%40', '@')
      .replaceAll('%3D', '=')
      .replaceAll('%2B', '+');
  });
}

/** Sends a request of this page; the broker refuses it without the header. A text is sent as it is, anything else as JSON. @throws Refusal */
export async function send(
  method: string,
  url: string,
  body?: unknown,
  headers: object = {},
): Promise<unknown> {
  const isText = typeof body === 'string';
  const isJson = body !== undefined && !isText;
  let answer: Response;
  try {
    answer = await fetch(url, {
      method,
      headers: {
        'X-Quaymaster-Console': BUILD,
        ...(isJson && { 'Content-Type': 'application/json' }),
        ...headers,
      },
      ...(isJson && { body: JSON.stringify(body) }),
      ...(isText && { body }),
      credentials: 'same-origin',
      redirect: 'error',
      cache: 'no-store',
    });
  } catch {
    observe({ status: 0, build: null, date: null });
    throw new Refusal(0, {});
  }
  const build = answer.headers.get('X-Quaymaster-Console-Build');
  observe({ status: answer.status, build, date: answer.headers.get('Date') });
  const text = await answer.text();
  const isPlain = answer.headers.get('Content-Type')?.startsWith('text/plain') === true;
  const value: unknown = isPlain ? text : parse(text);
  if (answer.ok || url.endsWith('/readyz')) return value;
  const challenge = answer.headers.get('WWW-Authenticate') ?? '';
  const acr = /acr_values="([^"]*)"/.exec(challenge)?.[1]?.split(' ') ?? [];
  throw new Refusal(answer.status, value ?? {}, acr);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
