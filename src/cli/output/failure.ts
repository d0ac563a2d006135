import {
  ApiError,
  InputError,
  UnreachableError,
  type UnreachableReason,
} from '../../client/index.ts';
import { BrokerError } from '../../domain/errors.ts';
import {
  EXIT,
  exitCodeOfStatus,
  Failed,
  Interrupted,
  problemLine,
  UsageError,
  type ExitCode,
} from '../kernel/errors.ts';
import { printableText } from './printable.ts';

/** Report of a failed command. */
export interface Failure {
  readonly exitCode: ExitCode;
  /** Text for people; empty if there is nothing to report. */
  readonly text: string;
  /** Report for machines, on one line. */
  readonly json: Readonly<Record<string, unknown>>;
}

/** Remedies of errors that have the same remedy for all callers; docs/errors.md has the rest. */
const REMEDIES: Readonly<Record<string, string>> = {
  ERR_TOKEN_INVALID:
    'check that the token is from this cluster, for the audience of the broker, not expired and of a running pod, or that the certificate of --client-cert is valid and of this trust domain; an operator finds the reason with quaymaster audit search --request-id ID',
  ERR_UNAUTHENTICATED:
    'the token has expired, was revoked or is of another broker: run quaymaster login again; an operator creates tokens with quaymaster operator token create',
  ERR_STEP_UP_REQUIRED:
    'run quaymaster login --step-up, then repeat the command; on a terminal the command line does that by itself',
  ERR_DENIED:
    'the broker does not reveal whether it exists; the reason is in the audit log: quaymaster audit search --request-id ID; what the policies allow: quaymaster policy explain',
  ERR_NO_ROLE:
    'an admin gives a role to this subject, or to a value of these claims, with a RoleBinding: quaymaster apply -f binding.yaml, see docs/people.md',
  ERR_POSTURE_DENIED:
    'the profile says what the pod must be: quaymaster posture-profile get NAME; each code is explained in docs/posture.md',
  ERR_VERSION_CONFLICT: 'it has changed since you read it: read it again, then repeat the command',
  ERR_PRECONDITION_REQUIRED: 'name the version that you have read: --if-version or --create',
  ERR_RATE_LIMITED: 'send fewer requests at once, or retry later',
  ERR_OUTCOME_UNKNOWN: 'the change may have been made: check before you repeat the command',
  ERR_SEALED:
    'a broker that waits for its key-encryption key unseals itself when the key answers: see its log; after quaymaster seal, restart each broker when the incident is over: docs/operations.md#sealing',
  ERR_AUDIT_UNACKNOWLEDGED:
    'the change was made; a sink with mustAcknowledge does not respond: run quaymaster status',
  ERR_HELD:
    'rollback protection stopped the store: an operator examines it and runs quaymaster release, see docs/operations.md',
  ERR_PROVIDER_DENIED: 'the backend refused the broker: run quaymaster mount check',
  ERR_PROVIDER_UNAVAILABLE: 'the backend does not respond: run quaymaster mount check',
};

const WHOAMI =
  'your token: quaymaster whoami; to get the role for a time: quaymaster break-glass request --role ROLE --scope PATH --for 30m --reason TEXT; to get it for good: an admin adds it to the grants of the operator or to a RoleBinding, see docs/operators.md#roles';

const ROTATION_STATUS = 'what it waits for: quaymaster rotate status PATH';

/** A session of a workload never has a role. */
const OPERATORS_ONLY = 'only operators may call this';
const LOG_IN_AS_OPERATOR =
  'this token is of a workload: log in as an operator with quaymaster login --token-file FILE or --issuer NAME, or choose a profile with quaymaster profile use NAME';

const CHECK_URL =
  'check that the broker runs and that its URL is right: --url, QUAYMASTER_URL or the profile';
const UNREACHABLE_REMEDIES: Partial<Readonly<Record<UnreachableReason, string>>> = {
  no_connection: CHECK_URL,
  not_ours: CHECK_URL,
  tls: 'if a private CA signed the certificate, name that CA with --ca or QUAYMASTER_CA_FILE; if you have named one, it did not sign this certificate',
};

/** @param expired when the token of the profile expired, if the clock of this machine says that it has: `5 min ago` */
export function failureOf(error: unknown, expired?: string): Failure {
  if (error instanceof Interrupted) return interrupted(error);
  if (error instanceof ApiError) return refused(error, expired);
  if (error instanceof UnreachableError) {
    const remedy = unreachableRemedy(error);
    const lines = [`no response: ${error.message}`, ...indented(remedy)];
    return failure(EXIT.unreachable, 'unreachable', lines.join('\n'));
  }
  if (error instanceof Failed) return failure(error.exitCode, 'failed', error.message);
  if (error instanceof UsageError) {
    const lines = [error.message, ...error.problems.map((each) => `  ${problemLine(each)}`)];
    return failure(EXIT.usage, 'usage', lines.join('\n'), { problems: error.problems });
  }
  if (error instanceof InputError) return failure(EXIT.usage, 'usage', error.message);
  if (error instanceof BrokerError) return failure(EXIT.failed, error.code, error.message);
  // For unexpected errors only the type is shown: the message may contain anything.
  const { name, code } = error as { readonly name?: string; readonly code?: string };
  return failure(EXIT.failed, 'internal', `internal error (${code ?? name ?? 'unknown'})`);
}

/** Alerts of a listener with `clientAuth: required`, as Node names them. */
const REFUSED_CERTIFICATE =
  /_ALERT_(?:CERTIFICATE_(?:REQUIRED|EXPIRED|UNKNOWN)|(?:BAD|UNSUPPORTED)_CERTIFICATE|UNKNOWN_CA)$/;
const CLIENT_CERTIFICATE =
  'the listener requires a valid client certificate of one of its authorities: name it with --client-cert and --client-key, and see when it expires with: openssl x509 -enddate -noout -in FILE';
const EXPIRED =
  'the certificate of the broker has expired, or the clock of this machine is ahead: renew it; the broker reads the files again every minute';

function unreachableRemedy(error: UnreachableError): string | undefined {
  if (error.message.endsWith('CERT_HAS_EXPIRED')) return EXPIRED;
  if (REFUSED_CERTIFICATE.test(error.message)) return CLIENT_CERTIFICATE;
  return UNREACHABLE_REMEDIES[error.reason];
}

function interrupted({ exitCode, progress }: Interrupted): Failure {
  if (progress === '') return { exitCode, text: '', json: {} };
  return failure(exitCode, 'interrupted', `interrupted\n${progress}`);
}

function refused(error: ApiError, expired: string | undefined): Failure {
  const { code, title, detail, status, requestId, problems = [] } = error;
  const places = problems.map(({ pointer, message }) => `${pointer || '/'}: ${message}`);
  return {
    exitCode: exitCodeOfStatus(status),
    text: refusalText(error, places, expired),
    json: { code, title, detail, status, requestId, problems },
  };
}

/** Content of each collection of the API, and the command that lists it. */
const COLLECTIONS: Readonly<Record<string, readonly [noun: string, list: string]>> = {
  secrets: ['secret', 'ls'],
  'secret-versions': ['secret', 'ls'],
  definitions: ['definition', 'definition ls'],
  'definition-versions': ['definition', 'definition ls'],
  rotations: ['rotation of', 'rotate ls'],
  'rotation-history': ['rotation of', 'rotate ls'],
  mounts: ['mount', 'mount ls'],
  clusters: ['cluster', 'cluster ls'],
  operators: ['operator', 'operator ls'],
  'role-bindings': ['role binding', 'role-binding ls'],
  'response-rules': ['response rule', 'response-rule ls'],
  'posture-profiles': ['posture profile', 'posture-profile ls'],
  policies: ['policy', 'policy ls'],
  leases: ['lease', 'lease ls'],
  quarantines: ['quarantine', 'quarantine ls'],
  approvals: ['request', 'approval ls'],
  attestations: ['attestation', 'attestation ls'],
  'security-keys': ['security key', 'second-factor ls'],
  revocations: ['pending revocation of', 'revocation ls'],
};

const NO_ISSUER = [
  'the broker has no issuer of that name',
  'its configuration names the issuers of people in people.issuers; to log in with a token: --token-file FILE',
] as const;

/** Names the object that a 404 is about: the broker does not repeat the request in its answer. */
function missing({
  operation,
  path,
  status,
}: ApiError): readonly [text: string, advice: string] | undefined {
  if (status !== 404) return undefined;
  if (operation === 'beginPersonLogin') return NO_ISSUER;
  const [, collection = '', name = ''] = /^\/api\/v1\/([a-z-]+)\/([^:]+)/.exec(path) ?? [];
  const known = COLLECTIONS[collection];
  if (known === undefined) return missingEntry(path);
  const [noun, list] = known;
  const [owner = '', token] = name.split('/tokens/');
  if (collection === 'operators' && token !== undefined) {
    return [`no token ${token}`, `list them: quaymaster operator token ls ${owner}`];
  }
  const subject = collection === 'operators' ? name.replace(/\/.*/, '') : name;
  return [`no ${noun} "${subject}"`, `list them: quaymaster ${list}`];
}

function missingEntry(path: string): readonly [text: string, advice: string] | undefined {
  const [, index] = /\/audit\/entries\/(\d+)\/proof$/.exec(path) ?? [];
  if (index === undefined) return undefined;
  return [`the log has no entry ${index}`, 'its newest entry: quaymaster audit search --limit 1'];
}

/** The broker's refusal, with one line for each problem that it found in a document. */
export function refusalText(error: ApiError, places: readonly string[], expired?: string): string {
  const { code, title, detail, requestId, retryAfterSeconds } = error;
  const [what, advice] = missing(error) ?? [];
  const remedy = remedyOf(error, expired);
  const lines = [
    `${code}: ${detail ?? what ?? title}`,
    ...places.map((place) => `  ${place}`),
    `  request ${requestId}`,
    ...(retryAfterSeconds === undefined ? [] : [`  retry after ${retryAfterSeconds} s`]),
    ...indented(detail === undefined ? (advice ?? remedy) : remedy),
  ];
  return printableText(lines.join('\n'));
}

/** A person's login has no token of a pod. */
const PERSON_REFUSED =
  'log in again; if that does not help, the clock of this machine is wrong (quaymaster doctor), or a proxy changes the header Host; an operator finds the reason with quaymaster audit search --request-id ID';

function remedyOf(
  { code, detail, operation }: ApiError,
  expired: string | undefined,
): string | undefined {
  if (code === 'ERR_TOKEN_INVALID' && operation === 'finishPersonLogin') return PERSON_REFUSED;
  if (code === 'ERR_DENIED' && detail !== undefined) {
    return detail.startsWith(OPERATORS_ONLY) ? LOG_IN_AS_OPERATOR : WHOAMI;
  }
  if (code === 'ERR_CONFLICT' && detail?.endsWith('is in progress')) return ROTATION_STATUS;
  if (code === 'ERR_UNAUTHENTICATED' && expired !== undefined) {
    return `your token expired ${expired}: run quaymaster login again; an operator creates tokens with quaymaster operator token create`;
  }
  return REMEDIES[code];
}

function indented(line: string | undefined): readonly string[] {
  return line === undefined ? [] : [`  ${line}`];
}

function failure(exitCode: ExitCode, code: string, text: string, more: object = {}): Failure {
  return { exitCode, text: printableText(text), json: { code, detail: text, ...more } };
}
