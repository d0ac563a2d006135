import { Agent, request } from 'node:https';

/** The API server's address and a token; `adminToken` may be any bearer token. */
export interface KubeAccess {
  readonly server: string;
  readonly caPem: string;
  readonly adminToken: string;
}

/** The API server closes idle connections after 90 s. */
const IDLE_MS = 30_000;

type Verb = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Idle connections keep no process running. A new connection for each request takes most of the processor time of the request, here and in the API server. */
const agent = new Agent({ keepAlive: true, timeout: IDLE_MS });

/** One request; the body is parsed if it is JSON. */
export async function kubeRequest(
  kube: KubeAccess,
  method: Verb,
  path: string,
  body?: unknown,
  contentType = 'application/json',
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = {
    authorization: `Bearer ${kube.adminToken}`,
    'content-type': contentType,
    // node:http does not frame the body of a DELETE by itself, and the server would then parse it as the next request.
    'content-length': Buffer.byteLength(text),
  };
  const options = { method, headers, ca: kube.caPem, agent };
  const outgoing = request(`${kube.server}${path}`, options, (response) => {
    let received = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => (received += chunk));
    response.on('error', reject);
    response.on('end', () =>
      resolve({ status: response.statusCode ?? 0, body: parseBody(received) }),
    );
  });
  outgoing.on('error', reject);
  outgoing.end(text);
  return promise;
}

/** One request that must succeed. @returns its body. */
export async function kubeCall(
  kube: KubeAccess,
  method: Verb,
  path: string,
  body?: unknown,
  contentType?: string,
): Promise<unknown> {
  const answer = await kubeRequest(kube, method, path, body, contentType);
  if (answer.status < 400) return answer.body;
  throw new Error(`Kubernetes ${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
}

/** A stored object; cluster-wide ones have no namespace. */
export interface KubeObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** One request that must succeed and answer with an object. */
export async function objectCall(...call: Parameters<typeof kubeCall>): Promise<KubeObject> {
  return (await kubeCall(...call)) as KubeObject;
}
