import type * as Sdk from '@aws-sdk/client-secrets-manager';
import { AWS_NO_CREDENTIALS, AWS_NOT_ACCEPTED } from '../../domain/aws-refusals.ts';
import { EXIT } from '../exit-codes.ts';
import { Failed } from '../failed.ts';
import { SourceError } from './import-source.ts';

/** After the tries of the SDK: too many requests, and nobody behind the door. */
const NOT_NOW: readonly unknown[] = [429, 502, 503, 504];
const THROTTLED = /Throttl|TooManyRequests|RequestLimitExceeded/;

/**
 * What a failure of the SDK means: SourceError where another secret may go well, Failed where nothing can. Its message may hold anything and is
 * not in it.
 */
export function awsFailure(
  error: unknown,
  { SecretsManagerServiceException: Answered }: Pick<typeof Sdk, 'SecretsManagerServiceException'>,
  where: string,
): SourceError | Failed {
  const word = wordOf(error);
  if (AWS_NO_CREDENTIALS.includes(word)) {
    const text = `no credentials for AWS are found, as its SDK looks for them (${word}): environment, profile, role`;
    return new Failed(text, EXIT.refused);
  }
  // All else that no service said: no connection, no answer in time, somebody else's answer.
  if (!(error instanceof Answered)) {
    const text = `no answer of ${where}: ${word}; are --region and --endpoint right?`;
    return new Failed(text, EXIT.unreachable);
  }
  if (AWS_NOT_ACCEPTED.includes(word)) {
    return new Failed(`the credentials are not accepted by ${where}: ${word}`, EXIT.refused);
  }
  if (NOT_NOW.includes(error.$metadata.httpStatusCode) || THROTTLED.test(word)) {
    return new Failed(`no answer of ${where}: ${word}`, EXIT.unreachable);
  }
  return new SourceError(word);
}

/** The word of Node or of the SDK for what went wrong. */
function wordOf(error: unknown): string {
  const { code, name } = error as { readonly code?: unknown; readonly name?: unknown };
  const isWord = (word: unknown): word is string =>
    typeof word === 'string' && /^\w{1,64}$/.test(word);
  return [code, name].find(isWord) ?? 'Error';
}
