import type { Parts } from '../broker/parts.ts';
import type { Drain } from './drain.ts';
import type { OperationTallies } from './operation-tallies.ts';
import type { Rates } from './rates.ts';
import type { RequestIds } from './request-ids.ts';
import type { RequestLog } from './request-log.ts';
import type { SourceAddress } from './source-address.ts';
import type { Shares } from './shares.ts';

/** What every request meets, made once by `createApp`. */
export interface Surroundings {
  readonly parts: Parts;
  readonly ids: RequestIds;
  readonly sources: SourceAddress;
  readonly rates: Rates;
  readonly shares: Shares;
  readonly tallies: OperationTallies;
  readonly log: RequestLog;
  readonly drain: Drain;
  readonly requestMs: number;
  /** What clients may use to reach the listener: `http`, `https`, or both behind a proxy that ends TLS. */
  readonly schemes: readonly string[];
}
