import { UnreachableError, type BrokerEvent } from '../../client/index.ts';
import type { Call, CliContext } from '../context.ts';
import { printable } from '../output/printable.ts';

const PAUSE_MS = 1_000;

/** Prints events until somebody ends it, over breaks of the stream; an event is printed once. */
export async function runEvents(
  context: CliContext,
  { options }: Call<{ readonly lastEventId?: string }>,
): Promise<void> {
  let last: BrokerEvent | undefined;
  while (last?.event !== 'session.ended') {
    try {
      last = await follow(context, last?.id ?? options.lastEventId, (event) => (last = event));
    } catch (error) {
      // A stream that never began is a mistake to be told; one that did is opened again from where it was.
      if (!(error instanceof UnreachableError) || last === undefined) throw error;
      context.output.note(`${error.message}; trying again`);
      await context.clock.sleep(PAUSE_MS, context.signal);
    }
  }
}

/** One stream to its end. @returns its last event */
async function follow(
  { broker, output, signal }: CliContext,
  lastEventId: string | undefined,
  seen: (event: BrokerEvent) => void,
): Promise<BrokerEvent | undefined> {
  let last: BrokerEvent | undefined;
  for await (const event of (await broker()).events({ lastEventId, signal })) {
    last = event;
    seen(event);
    const path = 'path' in event.data ? event.data.path : '';
    await output.item(event, () => printable(`${event.id}  ${event.event}  ${path}`).trimEnd());
  }
  return last;
}
