import { UnreachableError, type ChangeEvent } from '../../client/index.ts';
import type { CliContext } from '../connection/context.ts';
import { printable } from '../output/printable.ts';

const RECONNECT_MS = 1_000;

/** Prints changes until it is interrupted or the token ends. It reconnects after a broken stream; the changes between the two are lost. */
export async function runChanges(context: CliContext): Promise<void> {
  const seen = new Set<ChangeEvent['event']>();
  while (!seen.has('token.ended')) {
    try {
      await follow(context, seen);
    } catch (error) {
      // A stream that never started is reported as an error.
      if (!(error instanceof UnreachableError) || seen.size === 0) throw error;
      context.output.note(`${error.message}; reconnecting`);
    }
    if (!seen.has('token.ended')) await context.clock.sleep(RECONNECT_MS, context.signal);
  }
}

/** Prints one stream to its end, and adds its events to `seen`. */
async function follow(
  { broker, output, signal }: CliContext,
  seen: Set<ChangeEvent['event']>,
): Promise<void> {
  for await (const { event, data } of (await broker()).changes({ signal })) {
    seen.add(event);
    if (event !== 'changed') {
      output.note(event);
      continue;
    }
    for (const change of data.changes)
      await output.item(change, () => printable(`${change.kind}  ${change.id ?? ''}`).trimEnd());
  }
}
