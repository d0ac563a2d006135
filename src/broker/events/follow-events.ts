import { workloadId } from '../../domain/identity/workload.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { BrokerEvent } from '../../domain/secrets/broker-event.ts';
import { refreshCaller } from '../access/authenticate.ts';
import type { Call } from '../access/call.ts';
import { judge } from '../access/judge.ts';
import { recordOperation } from '../recording/operation.ts';
import type { Access, Recording } from '../state/dependencies.ts';
import type { EventSink } from '../state/change-streams.ts';
import type { Streams } from '../state/event-streams.ts';
import type { LiveSession } from '../state/session-memory.ts';

/** A stream that is ready to start: it sends nothing before it has a sink. */
export interface Feed<E> {
  /** @returns a function that ends the stream. */
  start(sink: EventSink<E>): () => void;
  /** Cancels, instead of `start`, a stream that cannot be answered, and frees its slot. */
  cancel(): void;
}

/**
 * Streams the events about the secrets that the caller holds. `since` is the last event id that the caller has.
 * @throws ERR_RATE_LIMITED if the caller has as many streams as a pod may.
 */
export async function followEvents(
  parts: Recording & Access & Streams,
  call: Call,
  live: LiveSession,
  since: number | undefined,
): Promise<Feed<BrokerEvent>> {
  let release: (() => void) | undefined;
  try {
    await recordOperation({ parts, call, caller: live }, { action: 'event.follow' }, (now) => {
      release ??= parts.events.reserve(holderOf(now));
    });
  } catch (error) {
    release?.();
    throw error;
  }
  return {
    start: (sink) => begin({ parts, call, live, since, release }, sink),
    cancel: () => release?.(),
  };
}

interface Following {
  readonly parts: Access & Streams;
  readonly call: Call;
  readonly live: LiveSession;
  readonly since: number | undefined;
  readonly release: (() => void) | undefined;
}

function begin(
  { parts, call, live, since, release }: Following,
  sink: EventSink<BrokerEvent>,
): () => void {
  let holder = live;
  const end = parts.events.start(
    {
      sessionId: live.session.id,
      fences: live.identityFences,
      sink: {
        send: (event) => sink.send(event),
        beat: () => sink.beat(),
        end: () => {
          release?.();
          sink.end();
        },
      },
      async isStillAllowed() {
        const now = await refreshCaller(parts, holder).catch(unlessOver);
        if (now !== undefined) holder = now;
        return now !== undefined;
      },
      mayRead: (path) => judge(parts, call, holder, { capability: 'read', path }).allowed,
    },
    since,
  );
  return () => {
    release?.();
    end();
  };
}

function unlessOver(error: unknown): undefined {
  if (error instanceof BrokerError && error.code === 'ERR_UNAUTHENTICATED') return undefined;
  throw error;
}

/** A pod, across all its sessions; a workload without a pod counts as a whole. */
function holderOf({ session }: LiveSession): string {
  const { workload } = session;
  return workload.pod === undefined
    ? workloadId(workload)
    : `${workload.cluster}/${workload.pod.uid}`;
}
