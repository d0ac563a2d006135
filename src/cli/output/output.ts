import { styleText } from 'node:util';
import { EXIT } from '../exit-codes.ts';
import { Failed } from '../failed.ts';
import { Interrupted } from '../interrupted.ts';
import type { Format } from './formats.ts';
import { printableJson, printableText } from './printable.ts';
import { printableYaml } from './printable-yaml.ts';

export interface OutputStreams {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

/**
 * Results go to standard output, in one format, and whoever writes them hears of it when they cannot be written: Interrupted where nobody reads any
 * more (`| head`), else Failed. What is only for who watches goes to standard error, and whether anybody does changes nothing.
 */
export class Output {
  readonly format: Format;
  readonly #streams: OutputStreams;
  #progressing = false;

  constructor(format: Format, streams: OutputStreams) {
    this.format = format;
    this.#streams = streams;
  }

  /** Whether people watch the results. */
  get isTerminal(): boolean {
    return this.#streams.stdout.isTTY === true;
  }

  /** One result: for machines the shape that the API gives, for people what `view` makes of it. */
  async show(body: unknown, view: () => string): Promise<void> {
    if (this.format === 'json') await this.#print(printableJson(body, 2));
    else if (this.format === 'yaml') await this.#print(await printableYaml(body));
    else await this.#print(printableView(view()));
  }

  /** One of many that come as they happen: a line of JSON, a YAML document, or a line. */
  async item(body: unknown, view: () => string): Promise<void> {
    if (this.format === 'json') await this.#print(printableJson(body));
    else if (this.format === 'yaml') await this.#print(`---\n${await printableYaml(body)}`);
    else await this.#print(printableView(view()));
  }

  /** What was done, where there is no result that a machine would read. */
  async say(text: string): Promise<void> {
    if (this.format === 'table') await this.#print(printableText(text));
  }

  /** Bytes as they are: the one value that was asked for. */
  raw(bytes: string | Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.#streams.stdout.write(bytes, (error) =>
      error ? reject(unwritable(error)) : resolve(undefined),
    );
    return promise;
  }

  /** For who watches, whatever the format. */
  note(text: string): void {
    this.endProgress();
    this.#streams.stderr.write(`${printableText(text)}\n`);
  }

  /** A line that is written over by the next; nothing where nobody looks. */
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
    `standard output cannot be written: ${code}; what the broker was asked before stays done`,
  );
}

const ESCAPE = '\u001b';

/** What a view forgot to make printable is made so here; our own colours stay. */
function printableView(text: string): string {
  const [first = '', ...rest] = text.split(ESCAPE);
  const parts = rest.map((part) => {
    const [colour = ''] = /^\[\d{1,2}m/.exec(part) ?? [];
    const escape = colour === '' ? printableText(ESCAPE) : ESCAPE;
    return `${escape}${colour}${printableText(part.slice(colour.length))}`;
  });
  return [printableText(first), ...parts].join('');
}

/** For a terminal that may have colours (NO_COLOR is respected), else as it is. */
export function coloured(colour: 'green' | 'red' | 'yellow', text: string): string {
  return styleText(colour, text, { stream: process.stdout });
}
