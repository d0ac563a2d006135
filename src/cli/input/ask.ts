import { createInterface, type Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { EXIT, Failed, Interrupted } from '../kernel/errors.ts';

/** Standard input, and the signal of Ctrl-C and SIGTERM. */
export interface Input {
  readonly stdin: NodeJS.ReadStream;
  readonly signal: AbortSignal;
}

/** Reads one line from a terminal without echo. */
export async function askHidden({ stdin, signal }: Input, question: string): Promise<string> {
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
export async function askLine({ stdin, signal }: Input, question: string): Promise<string> {
  const { isTTY: terminal } = stdin;
  const reader = createInterface({ input: stdin, output: process.stderr, terminal });
  try {
    return await answerAt(reader, `${question}: `, signal);
  } finally {
    reader.close();
  }
}

/** Waits for the answer to a prompt. A terminal in raw mode sends no signal: Ctrl-C and the end of input arrive as keys. @throws Interrupted, Failed */
export async function answerAt(
  terminal: Interface,
  prompt: string,
  signal: AbortSignal,
): Promise<string> {
  const { promise, reject } = Promise.withResolvers<never>();
  terminal.once('SIGINT', () => reject(new Interrupted(EXIT.interrupted)));
  terminal.once('close', () => reject(new Failed('cancelled; nothing was changed')));
  return Promise.race([promise, terminal.question(prompt, { signal })]);
}

/** Reads standard input to its end. */
export async function readStdin({ stdin, signal }: Input): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stdin as AsyncIterable<Buffer>) {
    signal.throwIfAborted();
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}
