import { createInterface, type Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { CliContext } from '../connection/context.ts';
import { EXIT, Failed, Interrupted, UsageError } from '../kernel/errors.ts';

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

/** Reads one line from a terminal without echo. */
export async function askHidden({ stdin, signal }: CliContext, question: string): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: stdin, output: silent, terminal: true });
  process.stderr.write(`${question}: `);
  try {
    return await answerAt(terminal, '', signal);
  } finally {
    terminal.close();
    process.stderr.write('\n');
  }
}

/** Reads one line. In raw mode a terminal has no limit of the length, which is 1,024 characters on macOS otherwise. */
export async function askLine(
  { stdin, signal }: Pick<CliContext, 'stdin' | 'signal'>,
  question: string,
): Promise<string> {
  const { isTTY: terminal } = stdin;
  const reader = createInterface({ input: stdin, output: process.stderr, terminal });
  try {
    return await answerAt(reader, `${question}: `, signal);
  } finally {
    reader.close();
  }
}

/** A terminal in raw mode sends no signal: Ctrl-C and the end of input arrive as keys. @throws Interrupted, Failed */
async function answerAt(terminal: Interface, prompt: string, signal: AbortSignal): Promise<string> {
  const { promise, reject } = Promise.withResolvers<never>();
  terminal.once('SIGINT', () => reject(new Interrupted(EXIT.interrupted)));
  terminal.once('close', () => reject(new Failed('cancelled; nothing was changed')));
  return Promise.race([promise, terminal.question(prompt, { signal })]);
}

/** Reads standard input to its end. */
export async function readStdin({
  stdin,
  signal,
}: Pick<CliContext, 'stdin' | 'signal'>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    signal.throwIfAborted();
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}
