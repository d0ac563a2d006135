import { printableText } from '../cli/output/printable.ts';

/** Exit code with which shells report SIGPIPE. */
const EXIT_BROKEN_PIPE = 141;
const EXIT_FAILED = 1;

/** Writes a line to standard output. Other people may have written parts of the text: a terminal must not interpret them. */
export function print(text: string): void {
  writeOut(`${printableText(text)}\n`);
}

export function printError(text: string): void {
  console.error(printableText(text));
}

/** Writes to standard output. The reader of a pipe may close it early, as `head` does: the command then ends with another code, and without an error. */
export function writeOut(text: string): void {
  const { stdout } = process;
  if (!stdout.listeners('error').includes(unwritten)) stdout.on('error', unwritten);
  stdout.write(text);
}

function unwritten({ code = 'unknown' }: NodeJS.ErrnoException): void {
  process.exitCode = code === 'EPIPE' ? EXIT_BROKEN_PIPE : EXIT_FAILED;
  if (code !== 'EPIPE') console.error(`cannot write to standard output: ${code}`);
}

/** Shows progress as one line on a terminal, which the next call overwrites. */
export const showEntries = progressIn('entries');
export const showBytes = progressIn('bytes');

function progressIn(unit: string): (done: number, total: number) => void {
  return (done, total) => {
    if (!process.stderr.isTTY) return;
    process.stderr.write(`\r${done} of ${total} ${unit}${done === total ? '\n' : ''}`);
  };
}
