import type { SecretsManagerClientConfig } from '@aws-sdk/client-secrets-manager';
import type { AwsAccess } from '../config.ts';

/** What the configurations of all clients have alike; the SDK has a type of its own for each. */
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

/** What every client of the SDK is opened with. `maxBytes`: the longest answer that is read. */
export function clientOptions(
  { region, endpoint, profile }: AwsAccess,
  maxBytes: number,
): ClientOptions {
  return {
    region,
    ...(endpoint !== undefined && { endpoint }),
    ...(profile !== undefined && { profile }),
    // The guard retries, within its budget; two layers would multiply.
    maxAttempts: 1,
    retryMode: 'standard',
    defaultsMode: 'standard',
    // Said here, so that nothing in the environment can say otherwise.
    requestHandler: {
      connectionTimeout: CONNECTION_TIMEOUT_MS,
      httpsAgent: { rejectUnauthorized: true },
    },
    streamCollector: collectBounded(maxBytes),
    logger: SILENT,
  };
}

/** An answer longer than was agreed; its bytes are dropped. */
class AnswerTooLong extends Error {
  override readonly name = 'AnswerTooLong';
}

/** The SDK's `streamCollector`, with a bound: the SDK's own reads whatever comes. */
function collectBounded(maxBytes: number): (stream: unknown) => Promise<Uint8Array> {
  return async (stream) => {
    const chunks: Uint8Array[] = [];
    let length = 0;
    // Leaving the loop destroys the stream, and with it the socket.
    for await (const chunk of stream as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      if (length > maxBytes) throw new AnswerTooLong();
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, length);
  };
}
