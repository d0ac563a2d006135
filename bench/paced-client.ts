import { connect, type Socket } from 'node:net';

/** The options of a run, as JSON in the only argument. */
export interface PacedOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly perSecond: number;
  readonly seconds: number;
  readonly connections: number;
}

/** Latencies in milliseconds, from the moment at which a request was due. */
export interface PacedReport {
  readonly requests: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

const HEAD_END = '\r\n\r\n';
const LENGTH = /\r\ncontent-length: *(\d+)/i;
const SUCCESS = 'HTTP/1.1 200 ';
/** Time until the first request, for the connections to open. */
const LEAD_MS = 100;

/** A connection with at most one request in flight. */
class Connection {
  readonly #socket: Socket;
  readonly #text: string;
  readonly #answered: (connection: Connection, due: number) => void;
  #received = '';
  #due = 0;

  constructor(
    { hostname, port }: URL,
    text: string,
    answered: (connection: Connection, due: number) => void,
  ) {
    this.#text = text;
    this.#answered = answered;
    this.#socket = connect({
      host: hostname,
      port: Number(port),
      noDelay: true,
    });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (chunk: string) => this.#take(chunk));
    this.#socket.on('error', fail);
    this.#socket.on('close', () => fail(new Error('the server closed a connection')));
  }

  send(due: number): void {
    this.#due = due;
    this.#socket.write(this.#text, 'latin1');
  }

  #take(chunk: string): void {
    this.#received += chunk;
    const end = this.#received.indexOf(HEAD_END);
    if (end < 0) return;
    const head = this.#received.slice(0, end);
    const length = LENGTH.exec(head)?.[1];
    if (!head.startsWith(SUCCESS) || length === undefined) {
      fail(new Error(`not an answer of known length: ${head.split('\r\n', 1)[0] ?? ''}`));
    }
    if (this.#received.length < end + HEAD_END.length + Number(length)) return;
    this.#received = '';
    this.#answered(this, this.#due);
  }
}

function fail(error: unknown): never {
  console.error(error);
  process.exit(1);
}

/** Sends requests at a constant rate. A request that finds no idle connection waits, and its wait counts as latency. */
function drive({ url, headers, perSecond, seconds, connections }: PacedOptions): void {
  const { host, pathname } = new URL(url);
  const fields = Object.entries({ Host: host, ...headers });
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const text = `GET ${pathname} HTTP/1.1\r\n${lines}\r\n`;
  const total = perSecond * seconds;
  const latencies: number[] = [];
  const waiting: number[] = [];
  const idle: Connection[] = [];
  const answered = (connection: Connection, due: number): void => {
    latencies.push(performance.now() - due);
    if (latencies.length === total) report(latencies);
    const next = waiting.shift();
    if (next === undefined) idle.push(connection);
    else connection.send(next);
  };
  for (let count = 0; count < connections; count += 1) {
    idle.push(new Connection(new URL(url), text, answered));
  }
  const start = performance.now() + LEAD_MS;
  let sent = 0;
  // Timers have a resolution of a millisecond, so the client polls the clock. It has a core of its own.
  const turn = (): void => {
    for (; sent < total; sent += 1) {
      const due = start + (sent * 1000) / perSecond;
      if (performance.now() < due) break;
      const connection = idle.pop();
      if (connection === undefined) waiting.push(due);
      else connection.send(due);
    }
    if (sent < total) setImmediate(turn);
  };
  turn();
}

function report(latencies: readonly number[]): never {
  const sorted = latencies.toSorted((left, right) => left - right);
  const at = (share: number): number => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
  const made: PacedReport = {
    requests: sorted.length,
    p50: at(0.5),
    p99: at(0.99),
    worst: at(1),
  };
  console.log(JSON.stringify(made));
  process.exit(0);
}

const [options] = process.argv.slice(2);
if (options !== undefined) drive(JSON.parse(options) as PacedOptions);
