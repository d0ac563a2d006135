import { namedUuid } from '../../../crypto/named-uuid.ts';
import { BrokerError } from '../../../domain/errors.ts';
import { isSameSecretData } from '../../../domain/same-secret-data.ts';
import type { SecretData } from '../../../domain/secret.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { PublishedVersion, SecretPublishing } from '../../../ports/secret-provider.ts';
import { isAsAsked, type AwsAnswer } from './answer.ts';
import type { GuardedSecrets } from '../client/secrets-manager.ts';
import { parseLocation } from './location.ts';
import { contentOf, toSecretData, type AwsValue } from './secret-content.ts';

/** Stages that AWS itself moves, when another one is. */
const NOT_OURS = ['AWSPREVIOUS', 'AWSPENDING'];

/**
 * Rotated values as new versions that carry the mount's stage. By content, and with a request token that says on top of which version: what
 * is there already is not written again, so that an unknown outcome makes no second version.
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

  /** undefined also for a secret that has no value yet: writing to one that is not there is refused by the server. */
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
