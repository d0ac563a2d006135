import { IncomingMessage } from 'node:http';
import type { SecretsManagerClientConfig } from '@aws-sdk/client-secrets-manager';
import { assertCountable } from '../../../net/https/countable-json.ts';
import { boundInterimHeads } from '../../../net/https/interim-heads.ts';
import { readBody } from '../../../net/https/read-body.ts';
import { UnusableAnswer } from '../../../net/https/unusable-answer.ts';
import type { AwsAccess } from '../config.ts';

/** The fields that the configurations of all clients share; the SDK has a separate type for each client. */
type ClientOptions = Pick<
  SecretsManagerClientConfig,
  | 'region'
  | 'endpoint'
  | 'profile'
  | 'maxAttempts'
  | 'retryMode'
  | 'defaultsMode'
  | 'requestHandler'
  | 'streamCollector'
  | 'logger'
>;

const CONNECTION_TIMEOUT_MS = 3000;
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** The options of every SDK client. `maxBytes`: the longest answer that is read. */
export function clientOptions(
  { region, endpoint, profile }: AwsAccess,
  maxBytes: number,
): ClientOptions {
  boundInterimHeads();
  return {
    region,
    ...(endpoint !== undefined && { endpoint }),
    ...(profile !== undefined && { profile }),
    // The guard retries within its budget; retries in two layers would multiply.
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    // Set explicitly, so that no environment variable can change it.
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      httpsAgent: { rejectUnauthorized: true },
    },
    streamCollector: collectBounded(maxBytes),
    logger: SILENT,
  };
}

/** The SDK's `streamCollector` with the bounds of all other answers: the SDK's own reads without limit and decodes what it gets. */
function collectBounded(maxBytes: number): (stream: unknown) => Promise<Uint8Array> {
  return async (stream) => {
    const bytes =
      stream instanceof IncomingMessage
        ? await readBody(stream, maxBytes)
        : await readCopy(stream as AsyncIterable<Uint8Array>, maxBytes);
    assertCountable(bytes);
    return bytes;
  };
}

/** Reads an answer that the SDK copied from its connection: for some operations it looks at the beginning first. */
async function readCopy(stream: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  // Leaving the loop destroys the stream and its socket.
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > maxBytes) throw new UnusableAnswer('body_too_large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}
