import { BrokerError } from '../../../domain/errors.ts';

export const CREDENTIALS = 'credentials/';

/** The set of statements that a locator `credentials/<set>` names. @throws ERR_INTERNAL for any other text. */
export function setOf(locator: string): string {
  if (!locator.startsWith(CREDENTIALS)) throw new BrokerError('ERR_INTERNAL');
  return locator.slice(CREDENTIALS.length);
}
