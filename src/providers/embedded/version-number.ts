import { BrokerError } from '../../domain/errors.ts';

const CANONICAL = /^[1-9][0-9]{0,14}$/;

/** @throws ERR_NOT_FOUND for anything but the one spelling of a number that could have been given. */
export function parseVersion(text: string): number {
  if (!CANONICAL.test(text)) throw new BrokerError('ERR_NOT_FOUND');
  return Number(text);
}
