import { createInterface, type Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { CliContext } from './context.ts';
import { EXIT } from './exit-codes.ts';
import { Failed } from './failed.ts';
import { Interrupted } from './interrupted.ts';
import { UsageError } from './usage-error.ts';

/** Goes on only when somebody at a terminal says yes, or when `--yes` said so before. @throws UsageError, Failed */
export async function confirm(
  { stdin, signal, output }: CliContext,
  question: string,
  yes: boolean | undefined,
): Promise<void> {
  if (yes === true) return;
  if (!stdin.isTTY) throw new UsageError(`${question}: nobody is there to ask; say --yes`);
  output.endProgress();
  const terminal = createInterface({ input: stdin, output: process.stderr });
  try {
    const answer = await answerAt(terminal, `${question}? [y/N] `, signal);
    if (!/^y(?:es)?$/i.test(answer.trim())) throw new Failed('nothing was done');
  } finally {
    terminal.close();
  }
}

/** One line from a terminal that does not show what is typed. */
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

/** A terminal in raw mode sends no signal: Ctrl-C is a key there, and so is the end of input. @throws Interrupted, Failed */
async function answerAt(terminal: Interface, prompt: string, signal: AbortSignal): Promise<string> {
  const { promise, reject } = Promise.withResolvers<never>();
  terminal.once('SIGINT', () => reject(new Interrupted(EXIT.interrupted)));
  terminal.once('close', () => reject(new Failed('nothing was done')));
  return Promise.race([promise, terminal.question(prompt, { signal })]);
}

/** Standard input to its end. */
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
