import { styleText } from 'node:util';
import { EXIT, Failed, Interrupted } from '../kernel/errors.ts';
import type { Format } from './formats.ts';
import { printableJson, printableText, printableYaml } from './printable.ts';

export interface OutputStreams {
  readonly stdout: NodeJS.WritableStream & {
    readonly isTTY?: boolean;
    readonly rows?: number;
    readonly columns?: number;
  };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/**
 * Results go to standard output in one format. A result that cannot be written throws: Interrupted if the reader has closed the pipe (`| head`), otherwise
 * Failed. Notes and progress go to standard error, where write errors are ignored.
 */
export class Output {
  readonly format: Format;
  readonly #streams: OutputStreams;
  #progressing = false;

  constructor(format: Format, streams: OutputStreams) {
    this.format = format;
    this.#streams = streams;
  }

  /** True if results are shown on a terminal. */
  get isTerminal(): boolean {
    return this.#streams.stdout.isTTY === true;
  }

  /** Size of the terminal in characters. */
  get size(): { readonly rows: number; readonly columns: number } {
    const { rows, columns } = this.#streams.stdout;
    // A terminal that does not know its size says 0.
    return { rows: rows || 24, columns: columns || 80 };
  }

  /** Shows one result: JSON and YAML have the shape of the API's answer, a table is the text that `view` returns. */
  async show(body: unknown, view: () => string): Promise<void> {
    if (this.format === 'json') await this.#print(printableJson(body, 2));
    else if (this.format === 'yaml') await this.#print(await printableYaml(body));
    else await this.#print(printableView(view()));
  }

  /** One item of a stream: a line of JSON, a YAML document, or a line of text. */
  async item(body: unknown, view: () => string): Promise<void> {
    if (this.format === 'json') await this.#print(printableJson(body));
    else if (this.format === 'yaml') await this.#print(`---\n${await printableYaml(body)}`);
    else await this.#print(printableView(view()));
  }

  /** Prints a confirmation for people, if there is no result for machines. */
  async say(text: string): Promise<void> {
    if (this.format === 'table') await this.#print(printableText(text));
  }

  /** Lines as they are, for a file or a program; a terminal gets escapes instead of characters that it would interpret. */
  lines(text: string): Promise<void> {
    return this.isTerminal ? this.#print(printableText(text)) : this.raw(text);
  }

  /** Bytes as they are: a single value for scripts. */
  raw(bytes: string | Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#streams.stdout.write(bytes, (error) =>
      error ? reject(unwritable(error)) : resolve(undefined),
    );
    return promise;
  }

  /** Prints a note on standard error, whatever the format. */
  note(text: string): void {
    this.endProgress();
    this.#streams.stderr.write(`${printableText(text)}\n`);
  }

  /** A progress line that the next one overwrites; written to a terminal only. */
  progress(text: string): void {
    if (this.#streams.stderr.isTTY !== true) return;
    this.#progressing = true;
    this.#streams.stderr.write(`\r\u001b[2K${printableText(text)}`);
  }

  endProgress(): void {
    if (!this.#progressing) return;
    this.#progressing = false;
    this.#streams.stderr.write('\r\u001b[2K');
  }

  #print(text: string): Promise<void> {
    this.endProgress();
    return this.raw(text.endsWith('\n') ? text : `${text}\n`);
  }
}

function unwritable({ code = 'unknown' }: NodeJS.ErrnoException): Error {
  if (code === 'EPIPE') return new Interrupted(EXIT.brokenPipe);
  return new Failed(
    `cannot write to standard output: ${code}; changes that the broker has made stay in effect`,
  );
}

const ESCAPE = '\u001b';

/** Escapes the parts that a view did not escape, and keeps our own colours. */
function printableView(text: string): string {
  const [first = '', ...rest] = text.split(ESCAPE);
  const parts = rest.map((part) => {
    const [colour = ''] = /^\[\d{1,2}m/.exec(part) ?? [];
    const escape = colour === '' ? printableText(ESCAPE) : ESCAPE;
    return `${escape}${colour}${printableText(part.slice(colour.length))}`;
  });
  return [printableText(first), ...parts].join('');
}

/** Coloured for a terminal that supports colours, unless NO_COLOR is set. */
export function coloured(colour: 'green' | 'red' | 'yellow', text: string): string {
  return styleText(colour, text, { stream: process.stdout });
}
