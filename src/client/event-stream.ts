import { UnreachableError } from './errors.ts';

/** One event (WHATWG HTML, "Server-sent events"). */
export interface StreamedEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** Limit of one event; the broker's events have about 100 bytes. */
const MOST_CHARACTERS = 65_536;

/** Parses events from chunks with arbitrary boundaries. */
export class EventStreamParser {
  readonly #decoder = new TextDecoder('utf-8');
  #rest = '';
  #isFirst = true;
  #id = '';
  #event = '';
  #data: string[] = [];
  #held = 0;

  /** The events that end in this chunk. @throws UnreachableError for a line or an event that is too long */
  push(chunk: Uint8Array): readonly StreamedEvent[] {
    const text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    // A final carriage return may be the first half of a line end.
    const whole = text.endsWith('\r') ? text.slice(0, -1) : text;
    const lines = whole.split(/\r\n|\r|\n/);
    this.#rest = (lines.pop() ?? '') + text.slice(whole.length);
    const events = lines.flatMap((line) => this.#take(line));
    if (this.#rest.length + this.#held > MOST_CHARACTERS) {
      throw new UnreachableError('too_large', 'an event is too long');
    }
    return events;
  }

  #take(line: string): readonly StreamedEvent[] {
    const text = this.#isFirst && line.startsWith('\uFEFF') ? line.slice(1) : line;
    this.#isFirst = false;
    if (text === '') return this.#dispatch();
    const colon = text.indexOf(':');
    const name = colon === -1 ? text : text.slice(0, colon);
    const value = colon === -1 ? '' : text.slice(colon + 1).replace(/^ /, '');
    this.#field(name, value);
    return [];
  }

  #field(name: string, value: string): void {
    if (name === 'event') this.#event = value;
    if (name === 'id' && !value.includes('\0')) this.#id = value;
    if (name === 'data') {
      this.#data.push(value);
      // The line end counts too, because empty lines of data are kept as well.
      this.#held += value.length + 1;
    }
  }

  #dispatch(): readonly StreamedEvent[] {
    const event = { id: this.#id, event: this.#event || 'message', data: this.#data.join('\n') };
    const isOne = this.#data.length > 0;
    this.#event = '';
    this.#data = [];
    this.#held = 0;
    return isOne ? [event] : [];
  }
}
