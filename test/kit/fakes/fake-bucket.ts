import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A bucket with one object, for faults that real servers do not show. It decides on a write and stores it in one step. */
export class FakeBucket {
  readonly #server = createServer((request, answer) => void this.#answer(request, answer));
  object: string | undefined;
  /** Headers of preconditions that the server ignores. */
  readonly ignored = new Set<string>();
  /** Stores the next write and closes the connection without an answer. */
  losesAnswer = false;
  /** Answers nothing. */
  isSilent = false;
  /** Requests that got no answer. */
  unanswered = 0;
  /** Runs between the arrival of the next write and its decision: another process is faster. */
  beforeWrite: (() => void) | undefined;

  static async start(): Promise<FakeBucket> {
    const bucket = new FakeBucket();
    bucket.#server.listen(0, '127.0.0.1');
    await once(bucket.#server, 'listening');
    return bucket;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #answer(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await text(request);
    if (this.isSilent) {
      this.unanswered += 1;
      return;
    }
    if (request.method === 'PUT') this.#write(request, body, answer);
    else if (this.object === undefined) refuse(answer, 404, 'NoSuchKey');
    else answer.writeHead(200, { etag: etagOf(this.object) }).end(this.object);
  }

  #write({ headers }: IncomingMessage, body: string, answer: ServerResponse): void {
    const happens = this.beforeWrite;
    const isProof = headers['if-match'] === `"${'0'.repeat(32)}"`;
    if (!isProof) {
      this.beforeWrite = undefined;
      happens?.();
    }
    const match = this.ignored.has('if-match') ? undefined : headers['if-match'];
    const none = this.ignored.has('if-none-match') ? undefined : headers['if-none-match'];
    const isAbsent = match !== undefined && this.object === undefined;
    const isOther = match !== undefined && match !== etagOf(this.object ?? '');
    const isThere = none === '*' && this.object !== undefined;
    if (isAbsent) refuse(answer, 404, 'NoSuchKey');
    else if (isOther || isThere) refuse(answer, 412, 'PreconditionFailed');
    else this.#store(body, answer);
  }

  #store(body: string, answer: ServerResponse): void {
    this.object = body;
    const isLost = this.losesAnswer;
    this.losesAnswer = false;
    if (isLost) answer.destroy();
    else answer.writeHead(200, { etag: etagOf(body) }).end();
  }
}

function etagOf(body: string): string {
  return `"${createHash('md5').update(body).digest('hex')}"`;
}

function refuse(answer: ServerResponse, status: number, code: string): void {
  answer.writeHead(status, { 'content-type': 'application/xml' });
  answer.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
}
