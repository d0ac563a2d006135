import { BrokerError } from '../../../domain/errors.ts';
import type { SecretVersion } from '../../../domain/secrets/secret.ts';
import type { AwsAnswer, AwsWanted } from '../client/secrets-manager.ts';
import type { AwsLocation } from './location.ts';
import { pickMember, toSecretData } from './secret-content.ts';

/**
 * Reports whether the answer matches the request. BatchGetSecretValue has no stage parameter, and a server may return an
 * older version.
 */
export function isAsAsked(answer: AwsAnswer, name: string, wanted: AwsWanted): boolean {
  if (answer.Name !== name || typeof answer.VersionId !== 'string') return false;
  if ('versionId' in wanted) return answer.VersionId === wanted.versionId;
  return Array.isArray(answer.VersionStages) && answer.VersionStages.includes(wanted.stage);
}

/** @throws ERR_PROVIDER_MALFORMED if the answer does not match the request, ERR_NOT_FOUND without the member. */
export function versionOf(
  answer: AwsAnswer,
  location: AwsLocation,
  wanted: AwsWanted,
): SecretVersion {
  const version = answer.VersionId;
  if (version === undefined || !isAsAsked(answer, location.name, wanted)) {
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_as_asked' });
  }
  const { jsonKey } = location;
  const data = jsonKey === undefined ? toSecretData(answer) : pickMember(answer, jsonKey);
  const createdAt = answer.CreatedDate instanceof Date ? answer.CreatedDate.getTime() : Number.NaN;
  return { data, version, ...(Number.isSafeInteger(createdAt) && { createdAt }) };
}
