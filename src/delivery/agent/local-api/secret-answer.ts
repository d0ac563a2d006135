import type { HeldSecret } from '../../files/held-secret.ts';
import type { SecretQuery } from './secret-query.ts';

/** Stage of every version: the agent has one version of each secret. */
const CURRENT = 'AWSCURRENT';

export interface LocalAnswer {
  readonly status: number;
  readonly type: 'application/json' | 'text/plain';
  readonly body: string;
}

/** The agent's secrets, by name or path. */
export interface SecretSource {
  find(secretId: string): HeldSecret | undefined;
  /** Fetches the secret first. @throws if the broker cannot be asked */
  refresh(secretId: string): Promise<HeldSecret | undefined>;
}

/** Answers `GetSecretValue` for a secret that the agent has. The answer is the same for an unknown secret and for another version. */
export async function answerSecret(source: SecretSource, query: SecretQuery): Promise<LocalAnswer> {
  const { secretId, versionId, versionStage = CURRENT, isRefreshed } = query;
  let secret: HeldSecret | undefined;
  try {
    secret = isRefreshed ? await source.refresh(secretId) : source.find(secretId);
  } catch {
    return failure(502, 'ConnectionError', 'the broker could not be asked');
  }
  const isCurrent = versionStage === CURRENT && (versionId ?? secret?.version) === secret?.version;
  if (secret === undefined || !isCurrent) {
    return failure(400, 'ResourceNotFoundException', 'the agent holds no such secret or version');
  }
  return { status: 200, type: 'application/json', body: JSON.stringify(valueOf(secret)) };
}

/** Builds an error in the form of AWS. The text is ours and contains nothing of the request. */
function failure(status: number, code: string, message: string): LocalAnswer {
  return { status, type: 'application/json', body: JSON.stringify({ __type: code, message }) };
}

function valueOf({ path, version, data }: HeldSecret): object {
  return {
    ARN: `arn:quaymaster:secretsmanager:::secret:${path}`,
    Name: path,
    VersionId: version,
    SecretString: JSON.stringify(data.reveal()),
    VersionStages: [CURRENT],
    // The broker reports when a lease ends, not when a version was created.
    CreatedDate: null,
  };
}
