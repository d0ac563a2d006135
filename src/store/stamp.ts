import { BrokerError } from '../domain/errors.ts';
import type { StoreMode } from './store-deps.ts';

/** The row of `meta` that says what a store was made for. */
export const STAMP_KEY = 'mode';

/** @throws ERR_CONFIG_INVALID when the store was made for the other mode. */
export function assertStamp(found: string, mode: StoreMode): void {
  if (found === mode) return;
  throw new BrokerError(
    'ERR_CONFIG_INVALID',
    `the store was made in ${found} mode and cannot be used in ${mode} mode`,
  );
}
