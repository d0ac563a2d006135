import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { boundedServer, closeServer, listenLocally } from '../../../net/local-server.ts';
import type { ApiSettings } from '../../settings/settings.ts';
import { ConfigError } from '../../failures.ts';
import { hostRefusal, refusalOf, tokenRefusal, type Refusal } from './admission.ts';
import { parseSecretQuery, type SecretQuery } from './secret-query.ts';
import { openToken } from './token-file.ts';
import type { DeliveredSecret } from '../../files/delivered-secret.ts';

const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

/** Decides on the headers of a request, before anything else of it is read. */
type Admit = (request: IncomingMessage) => Refusal | undefined;

/**
 * Serves the agent's secrets to programs of the same pod, in the format of AWS's Secrets Manager Agent, so that its clients work. On a socket the
 * file's mode decides who may connect; on a loopback port a token is required. Requests of browsers and proxies are always refused.
 */
export class LocalApi {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws ConfigError if it cannot listen there. */
  static async listen(settings: ApiSettings, source: SecretSource): Promise<LocalApi> {
    const { socket, port, tokenFile, mode } = settings;
    const admit = tokenFile === undefined ? admitAtSocket : admitAtPort(openToken(tokenFile, mode));
    const server = boundedServer((request, response) => {
      void answer(request, admit, source).then((said) => send(response, said));
    });
    try {
      await listenLocally(
        server,
        socket === undefined ? { host: '127.0.0.1', port: port ?? 0 } : { socket, mode },
      );
    } catch (error) {
      throw new ConfigError('api', [`/api: ${(error as Error).message}`]);
    }
    return new LocalApi(server);
  }

  async close(): Promise<void> {
    await closeServer(this.#server);
  }
}

function admitAtSocket({ headers }: IncomingMessage): Refusal | undefined {
  return refusalOf(headers);
}

function admitAtPort(token: string): Admit {
  return (request) =>
    refusalOf(request.headers) ??
    hostRefusal(request) ??
    (request.url === '/ping' ? undefined : tokenRefusal(request.headers, token));
}

async function answer(
  request: IncomingMessage,
  admit: Admit,
  source: SecretSource,
): Promise<LocalAnswer> {
  const refusal = admit(request);
  if (refusal !== undefined) return text(refusal.status, refusal.message);
  if (request.method !== 'GET') return text(405, 'Not allowed');
  if (request.url === '/ping') return text(200, 'healthy');
  const query = parseSecretQuery(request.url ?? '');
  if (query === undefined) return text(404, 'Not found');
  return typeof query === 'string' ? text(400, query) : answerSecret(source, query);
}

function text(status: number, body: string): LocalAnswer {
  return { status, type: 'text/plain', body };
}

function send(response: ServerResponse, { status, type, body }: LocalAnswer): void {
  const length = Buffer.byteLength(body);
  response
    .writeHead(status, { ...HEADERS, 'content-type': type, 'content-length': length })
    .end(body);
}

/** Stage of every version: the agent has one version of each secret. */
const CURRENT = 'AWSCURRENT';

interface LocalAnswer {
  readonly status: number;
  readonly type: 'application/json' | 'text/plain';
  readonly body: string;
}

/** The agent's secrets, by name or path. */
interface SecretSource {
  find(secretId: string): DeliveredSecret | undefined;
  /** Fetches the secret first. @throws if the broker cannot be asked */
  refresh(secretId: string): Promise<DeliveredSecret | undefined>;
}

/** Answers `GetSecretValue` for a secret that the agent has. The answer is the same for an unknown secret and for another version. */
async function answerSecret(source: SecretSource, query: SecretQuery): Promise<LocalAnswer> {
  const { secretId, versionId, versionStage = CURRENT, isRefreshed } = query;
  let secret: DeliveredSecret | undefined;
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

function valueOf({ path, version, data }: DeliveredSecret): object {
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
