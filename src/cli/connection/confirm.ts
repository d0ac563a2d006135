import { createInterface } from 'node:readline/promises';
import { answerAt } from '../input/ask.ts';
import { Failed, UsageError } from '../kernel/errors.ts';
import type { CliContext } from './context.ts';

/** A question for the broker with this URL, without a question mark. */
export type Question = (url: string) => string | Promise<string>;

/** Returns only if the user confirms at a terminal, or has passed `--yes`. @throws UsageError, Failed */
export async function confirm(
  { stdin, signal, output, target }: CliContext,
  question: Question,
  yes: boolean | undefined,
): Promise<void> {
  if (yes === true) return;
  if (!stdin.isTTY) throw new UsageError('stdin is not a terminal; pass --yes to confirm');
  const { url } = (await target()).profile;
  const text = await question(url);
  output.endProgress();
  const terminal = createInterface({ input: stdin, output: process.stderr });
  try {
    const answer = await answerAt(terminal, `${text}? [y/N] `, signal);
    if (!/^y(?:es)?$/i.test(answer.trim())) throw new Failed('cancelled; nothing was changed');
  } finally {
    terminal.close();
  }
}
