import type { SecretsManagerClientConfig } from '@aws-sdk/client-secrets-manager';
import { collectBounded } from './collect-bounded.ts';
import type { AwsAccess } from './config.ts';

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
