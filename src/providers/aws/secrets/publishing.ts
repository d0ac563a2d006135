import { namedUuid } from '../../../crypto/hashes/named-uuid.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { isSameSecretData } from '../../../domain/secrets/same-secret-data.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { PublishedVersion, SecretPublishing } from '../../../ports/secret-provider.ts';
import { isAsAsked } from './answer.ts';
import type { AwsAnswer, AwsValue, GuardedSecrets } from '../client/secrets-manager.ts';
import { parseLocation } from './location.ts';
import { contentOf, toSecretData } from './secret-content.ts';

/** Stages that AWS itself moves when another stage moves. */
const NOT_OURS = ['AWSPREVIOUS', 'AWSPENDING'];

/**
 * Writes rotated values as new versions that carry the mount's stage. It compares content, and its request token names the version it
 * replaces. So a value that is already there is not written again, and an unknown outcome creates no second version.
 */
export class AwsPublishing implements SecretPublishing {
  readonly #secrets: GuardedSecrets;
  readonly #stage: string;

  constructor(secrets: GuardedSecrets, stage: string) {
    this.#secrets = secrets;
    this.#stage = stage;
  }

  async publish(
    locator: string,
    data: SecretData,
    token: string,
    context: CallContext,
  ): Promise<PublishedVersion> {
    const location = parseLocation(locator);
    const stage = location.stage ?? this.#stage;
    if (location.versionId !== undefined || NOT_OURS.includes(stage)) {
      const detail = 'the reference is to a version or stage that never changes by a rotation';
      throw new BrokerError('ERR_CONFLICT', detail, { reason: 'pinned' });
    }
    const current = await this.#current(location.name, stage, context);
    const content = contentOf(data, current, location.jsonKey);
    if (current?.VersionId !== undefined && isSame(content, current)) {
      return { version: current.VersionId };
    }
    const put = {
      SecretId: location.name,
      ClientRequestToken: namedUuid('publish', token, current?.VersionId ?? ''),
      ...content,
      ...(stage !== 'AWSCURRENT' && { VersionStages: [stage] }),
    };
    return { version: await this.#secrets.put(put, stage, context) };
  }

  /** Reads the current secret; undefined also for a secret without a value. The server refuses a write to a missing secret. */
  async #current(
    name: string,
    stage: string,
    context: CallContext,
  ): Promise<AwsAnswer | undefined> {
    try {
      const answer = await this.#secrets.get(name, { stage }, context);
      if (isAsAsked(answer, name, { stage })) return answer;
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'ERR_NOT_FOUND') return undefined;
      throw error;
    }
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_as_asked' });
  }
}

function isSame(wanted: AwsValue, current: AwsValue): boolean {
  return isSameSecretData(toSecretData(wanted), toSecretData(current));
}
