import { BrokerError } from '../../domain/errors.ts';

/** A strategy that a connection does not have; `known` are those that it has. */
export function unknownStrategy(known: readonly string[]): BrokerError {
  const message = `is one of: ${known.join(', ')}`;
  return new BrokerError('ERR_BODY_INVALID', undefined, {
    problems: [{ pointer: '/strategy', message }],
  });
}
