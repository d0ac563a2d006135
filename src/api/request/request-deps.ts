import type { Announcements } from '../../broker/state/change-streams.ts';
import type { Enrolling } from '../../broker/state/enrolled-clusters.ts';
import type { Streams } from '../../broker/state/event-streams.ts';
import type {
  Access,
  Backends,
  Bounds,
  Keys,
  People,
  Recording,
  Values,
  Work,
} from '../../broker/state/dependencies.ts';
import type { Consenting } from '../../broker/recording/consent.ts';
import type { Alarming } from '../../broker/recording/decoys.ts';
import type { Seeing } from '../../broker/recording/sightings.ts';
import type { AuthenticatedRows } from '../../broker/kernel/row-macs.ts';
import type { Proofs } from '../../broker/state/proof-memory.ts';
import type { AuditLog } from '../../ports/audit-log.ts';
import type { PublicLog } from '../../ports/public-log.ts';
import type { RequiredReceivers } from '../../ports/required-receivers.ts';
import type { Configuration } from '../../ports/configuration.ts';
import type { RootKeyWrappers } from '../../broker/keys/root-key-wrappers.ts';
import type { ClientFacts } from '../../domain/audit/audit-event.ts';
import type { BrokerError } from '../../domain/errors.ts';
import type { ErrorAnswer } from '../answer/error-answer.ts';
import type { Drain } from './drain.ts';
import type { OperationTallies } from './operation-tallies.ts';
import type { PushTurns } from './push-turns.ts';
import type { Rates } from './rates.ts';
import type { RequestIds } from './request-ids.ts';
import type { RequestLog } from './request-log.ts';
import type { SourceAddress } from './source-address.ts';
import type { Shares } from './memory-shares.ts';

/** Facts about a request that development mode prints. */
export interface AnsweredRequest {
  /** Method and path, as the client wrote them. */
  readonly method: string;
  readonly path: string;
  /** The caller, once it is known: a workload, or the id of an operator token. */
  readonly identity: string | undefined;
  readonly status: number;
}

/** The needs of the operations that every broker has. */
export type CoreServedParts = Recording &
  Access &
  Backends &
  Keys &
  AuthenticatedRows &
  Values &
  Bounds &
  Streams &
  Announcements &
  People &
  Consenting &
  Alarming &
  Seeing &
  Proofs &
  Enrolling &
  Pick<Work, 'rotationsDue'> & {
    readonly audit: AuditLog;
    /** Public log; undefined unless the configuration makes the log public. */
    readonly publicLog: PublicLog | undefined;
    readonly receivers: RequiredReceivers;
    readonly configuration: Configuration | undefined;
    readonly wrappers: RootKeyWrappers;
  };

/**
 * The needs of all operations together. Each operation passes them to its use case, which names the groups that it needs. An option adds its groups by a
 * declaration in its `feature.ts`, so this file names none.
 */
export interface ServedParts extends CoreServedParts {}

/** The properties in which a listener for clients of another API differs from the one of the broker's own API. */
export interface Face {
  /** Name in the audit entries; undefined for the broker's own API. */
  readonly name: ClientFacts['face'];
  /** Writes an error. `challenge` is the `WWW-Authenticate` of a 401. */
  readonly errorAnswer: (error: BrokerError, requestId: string, challenge?: string) => ErrorAnswer;
}

/** Dependencies that all requests share; `createApp` creates them once. */
export interface Surroundings {
  readonly parts: ServedParts;
  readonly face: Face;
  readonly ids: RequestIds;
  readonly sources: SourceAddress;
  readonly rates: Rates;
  readonly shares: Shares;
  readonly pushTurns: PushTurns;
  readonly tallies: OperationTallies;
  readonly log: RequestLog;
  readonly drain: Drain;
  readonly requestMs: number;
  /** Schemes by which clients may reach the listener: `http`, `https`, or both behind a proxy that terminates TLS. */
  readonly schemes: readonly string[];
  /** Listener for each answered request; development mode prints them. */
  readonly onAnswered: ((answered: AnsweredRequest) => void) | undefined;
}
