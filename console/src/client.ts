import type { components } from '../../src/ports/openapi/api.ts';
import type { InputArguments, SuccessBody } from '../../src/client/contract-types.ts';

/** A schema of openapi.yaml. */
export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name];

/** All operations that the console calls. A test compares them with openapi.yaml. */
export const OPERATIONS = {
  readOwnToken: 'GET /api/v1/operator-tokens/self',
  endOwnLogin: 'DELETE /api/v1/logins/self',
  readReadiness: 'GET /readyz',
  readStatus: 'GET /api/v1/status',
  listSecrets: 'GET /api/v1/secrets',
  readSecret: 'GET /api/v1/secrets/{path}',
  listSecretVersions: 'GET /api/v1/secret-versions/{path}',
  listReceivers: 'GET /api/v1/audit/receivers',
  listRotations: 'GET /api/v1/rotations',
  readRotation: 'GET /api/v1/rotations/{path}',
  listLeases: 'GET /api/v1/leases',
  listSessions: 'GET /api/v1/sessions',
  explainDecision: 'POST /api/v1/policies:explain',
  listQuarantines: 'GET /api/v1/quarantines',
  createQuarantine: 'POST /api/v1/quarantines',
  liftQuarantine: 'DELETE /api/v1/quarantines/{id}',
  endSessions: 'POST /api/v1/sessions:end',
  listAlerts: 'GET /api/v1/alerts',
  approveAlert: 'POST /api/v1/alerts/{id}:approve',
  dismissAlert: 'POST /api/v1/alerts/{id}:dismiss',
  readIncident: 'GET /api/v1/incidents/{id}',
  listApprovals: 'GET /api/v1/approvals',
  readApproval: 'GET /api/v1/approvals/{id}',
  approveRequest: 'POST /api/v1/approvals/{id}:approve',
  denyRequest: 'POST /api/v1/approvals/{id}:deny',
  beginSecurityKey: 'POST /api/v1/security-keys:begin',
  finishSecurityKey: 'POST /api/v1/security-keys:finish',
  writeSecret: 'PUT /api/v1/secrets/{path}',
  patchSecret: 'POST /api/v1/secrets/{path}:patch',
  deleteSecret: 'DELETE /api/v1/secrets/{path}',
  undeleteSecret: 'POST /api/v1/secrets/{path}:undelete',
  readRotationHistory: 'GET /api/v1/rotation-history/{path}',
  runRotation: 'POST /api/v1/rotations/{path}:run',
  drillRotation: 'POST /api/v1/rotations/{path}:drill',
  retryRotation: 'POST /api/v1/rotations/{path}:retry',
  abortRotation: 'POST /api/v1/rotations/{path}:abort',
  rollBackRotation: 'POST /api/v1/rotations/{path}:rollback',
  revokeLeases: 'POST /api/v1/leases:revoke',
  searchAudit: 'GET /api/v1/audit/entries',
  proveEntry: 'GET /api/v1/audit/entries/{index}/proof',
  readLogKey: 'GET /api/v1/audit/log-key',
} as const;

export type OperationId = keyof typeof OPERATIONS;

/** An answer that reports a failure. `status` is 0 if the broker could not be reached. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly code: string;
  readonly requestId: string | undefined;
  /** The contexts of a login of which the operation needs one (RFC 9470). */
  readonly acr: readonly string[];

  constructor(status: number, problem: Partial<Schema<'Problem'>>, acr: readonly string[] = []) {
    super(problem.detail ?? problem.title ?? UNREACHABLE);
    this.status = status;
    this.code = problem.code ?? 'UNREACHABLE';
    this.requestId = problem.requestId;
    this.acr = acr;
  }

  /** The session ended, or there is none. */
  get isSignedOut(): boolean {
    return this.status === 401;
  }
}

const UNREACHABLE = 'The broker does not answer.';

/** The build of this page. */
export const BUILD = document.querySelector<HTMLMetaElement>('meta[name="build"]')?.content ?? '';

interface Input {
  readonly path?: object | undefined;
  readonly query?: object | undefined;
  readonly headers?: object | undefined;
  readonly body?: unknown;
}

type Observer = (facts: { readonly status: number; readonly build: string | null }) => void;
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
  const { path, query, headers, body }: Input = input ?? {};
  const [method = '', template = ''] = OPERATIONS[id].split(' ');
  const target = fill(template, path ?? {});
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {}))
    if (value !== undefined) search.set(name, String(value));
  const url = `/console/call${target}${search.size > 0 ? `?${search}` : ''}`;
  return (await send(method, url, body, headers)) as SuccessBody<Id>;
}

/** Names of the broker have no character that needs escaping; anything else is escaped, and the broker refuses it. */
function fill(template: string, path: object): string {
  return template.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
    const value = String((path as Record<string, unknown>)[name]);
    return value
      .split('/')
      .map(encodeURIComponent)
      .join('/')
      .replaceAll('%40', '@')
      .replaceAll('%3D', '=')
      .replaceAll('%2B', '+');
  });
}

/** Sends a request of this page; the broker refuses it without the header. @throws Refusal */
export async function send(
  method: string,
  url: string,
  body?: unknown,
  headers: object = {},
): Promise<unknown> {
  const isJson = body !== undefined;
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
      credentials: 'same-origin',
      redirect: 'error',
      cache: 'no-store',
    });
  } catch {
    observe({ status: 0, build: null });
    throw new Refusal(0, {});
  }
  observe({ status: answer.status, build: answer.headers.get('X-Quaymaster-Console-Build') });
  const text = await answer.text();
  const isText = answer.headers.get('Content-Type')?.startsWith('text/plain') === true;
  const value: unknown = isText ? text : parse(text);
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
