import type { BrokerEvent, components } from '../../../client/index.ts';

type Schemas = components['schemas'];
export type BatchItem = Schemas['Batch']['items'][number];
/** A value with its lease, or the reason why there is none. */
export type ItemAnswer = Schemas['BatchAnswer']['items'][number];
export type Disclosed = Schemas['Disclosure'];
export type Problem = Schemas['Problem'];
export type Report = Schemas['Acknowledgements']['items'][number];
export type ReportAnswer = Schemas['AcknowledgementsAnswer']['items'][number];

export interface BatchAnswer {
  /** Answers, one for each item, in their order. */
  readonly items: readonly ItemAnswer[];
  /** The broker's time at the answer, if stated: milliseconds since the epoch. */
  readonly at: number | undefined;
}

/** The calls of a logged-in agent. Times are the broker's, in milliseconds since the epoch. All throw as `BrokerClient.call`. */
export interface AgentSession {
  readonly createdAt: number;
  readonly endsAt: number;
  /** The position of the event stream at the login. */
  readonly eventId: string;
  renew(identity: string, signal: AbortSignal): Promise<void>;
  end(signal: AbortSignal): Promise<void>;
  read(items: readonly BatchItem[], signal: AbortSignal): Promise<BatchAnswer>;
  /** Renews the lease. @returns the new end of the lease. */
  renewLease(id: string, signal: AbortSignal): Promise<number>;
  releaseLease(id: string, signal: AbortSignal): Promise<void>;
  acknowledge(reports: readonly Report[], signal: AbortSignal): Promise<readonly ReportAnswer[]>;
  events(lastEventId: string | undefined, signal: AbortSignal): AsyncIterable<BrokerEvent>;
}

/** The broker, as the agent needs it; tests script one. */
export interface BrokerAccess {
  /** @param identity the token, or the text of the client certificate @throws as `BrokerClient.call` */
  logIn(identity: string, signal: AbortSignal): Promise<AgentSession>;
}
