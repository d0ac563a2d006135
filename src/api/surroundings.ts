import type { Parts } from '../broker/parts.ts';
import type { Drain } from './drain.ts';
import type { OperationTallies } from './operation-tallies.ts';
import type { Rates } from './rates.ts';
import type { RequestIds } from './request-ids.ts';
import type { RequestLog } from './request-log.ts';
import type { SourceAddress } from './source-address.ts';
import type { Shares } from './shares.ts';

/** The shared parts of all requests, made once by `createApp`. */
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
  /** Schemes by which clients may reach the listener: `http`, `https`, or both behind a proxy that terminates TLS. */
  readonly schemes: readonly string[];
}
