import type { IncomingMessage } from 'node:http';
import type { Clock } from '../ports/clock.ts';
import { UnreachableError } from './errors.ts';
import { EventStreamParser, type StreamedEvent } from './event-stream.ts';
import { transportError } from './transport.ts';

/** Event of the broker; docs/api.md explains each kind. Kinds of later brokers are skipped. */
export type BrokerEvent =
  | {
      readonly event: 'secret.changed';
      readonly id: string;
      readonly data: { readonly path: string };
    }
  | {
      readonly event: 'ready' | 'reset' | 'leases.changed' | 'session.ended';
      readonly id: string;
      readonly data: Readonly<Record<string, never>>;
    };

/** Announcement of the broker for operators: what changed, never its content. Without `id` any of the kind may have changed. */
export type ChangeEvent =
  | {
      readonly event: 'changed';
      readonly data: {
        readonly changes: readonly { readonly kind: string; readonly id?: string }[];
      };
    }
  | {
      readonly event: 'ready' | 'reset' | 'token.ended';
      readonly data: Readonly<Record<string, never>>;
    };

/** Time without data after which the stream is silent: three times the broker's heartbeat of 15 seconds. */
const SILENCE_MS = 45_000;
const WITHOUT_DATA: readonly string[] = ['ready', 'reset', 'leases.changed', 'session.ended'];

/**
 * Yields the events of an answer until it ends. Leaving the loop closes the stream.
 * @throws UnreachableError if the stream is cut off, silent, or not the broker's; the reason of `signal`
 */
export async function* readEvents<E>(
  response: IncomingMessage,
  clock: Clock,
  signal: AbortSignal | undefined,
  eventsOf: (event: StreamedEvent) => readonly E[],
): AsyncGenerator<E> {
  const parser = new EventStreamParser();
  const silent = new UnreachableError(
    'silent',
    `the event stream was silent for ${SILENCE_MS / 1000} s`,
  );
  const watch = (): (() => void) => clock.after(SILENCE_MS, () => void response.destroy(silent));
  const abort = (): void => void response.destroy();
  signal?.addEventListener('abort', abort, { once: true });
  let unwatch = watch();
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      unwatch();
      yield* parser.push(piece).flatMap(eventsOf);
      unwatch = watch();
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw transportError(error, 'the event stream');
  } finally {
    unwatch();
    signal?.removeEventListener('abort', abort);
    response.destroy();
  }
}

/** Events for workloads. @throws UnreachableError for an event of a known kind with invalid data */
export function brokerEvents({ event, id, data }: StreamedEvent): readonly BrokerEvent[] {
  if (WITHOUT_DATA.includes(event)) return [{ event, id, data: {} } as BrokerEvent];
  if (event !== 'secret.changed') return [];
  const path = pathOf(data);
  if (path === undefined) throw new UnreachableError('not_ours', 'an event does not match the API');
  return [{ event, id, data: { path } }];
}

/** Events for operators. @throws UnreachableError for an event of a known kind with invalid data */
export function changeEvents({ event, data }: StreamedEvent): readonly ChangeEvent[] {
  if (event === 'ready' || event === 'reset' || event === 'token.ended')
    return [{ event, data: {} }];
  if (event !== 'changed') return [];
  const changes = changesOf(data);
  if (changes === undefined)
    throw new UnreachableError('not_ours', 'an event does not match the API');
  return [{ event, data: { changes } }];
}

function changesOf(data: string): readonly { kind: string; id?: string }[] | undefined {
  try {
    const { changes } = JSON.parse(data) as { readonly changes?: unknown };
    if (!Array.isArray(changes)) return undefined;
    return changes.flatMap(({ kind, id }: Readonly<Record<string, unknown>>) =>
      typeof kind === 'string' ? [{ kind, ...(typeof id === 'string' && { id }) }] : [],
    );
  } catch {
    return undefined;
  }
}

function pathOf(data: string): string | undefined {
  try {
    const { path } = JSON.parse(data) as { readonly path?: unknown };
    return typeof path === 'string' ? path : undefined;
  } catch {
    return undefined;
  }
}
