import type { Call } from '../connection/context.ts';
import type { ActionRow } from './command.ts';

/** A row with an action that gets the options of its words. */
export function action<Options>(
  words: Omit<ActionRow, 'run'>,
  run: (call: Call<Options>) => Promise<void>,
): ActionRow {
  return { ...words, run };
}
