import type { ServerResponse } from 'node:http';
import type { FakePods } from './fake-pods.ts';

/** The open watches of a fake API server, and the faults that a test can cause in them. */
export class FakeWatches {
  readonly #pods: FakePods;
  readonly #open = new Set<ServerResponse>();
  #isSilent = false;

  constructor(pods: FakePods) {
    this.#pods = pods;
  }

  get size(): number {
    return this.#open.size;
  }

  serve(query: URLSearchParams, response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    const stop = this.#pods.watch(query.get('resourceVersion') ?? '', (event) =>
      this.#write(response, event),
    );
    if (stop === undefined) {
      this.#write(response, { type: 'ERROR', object: { kind: 'Status', code: 410 } });
      response.end();
      return;
    }
    this.#open.add(response);
    const seconds = Number(query.get('timeoutSeconds') ?? '60');
    const end = setTimeout(() => this.#end(response), seconds * 1000);
    response.once('close', () => {
      clearTimeout(end);
      this.#open.delete(response);
      stop();
    });
  }

  bookmark(): void {
    const metadata = { resourceVersion: this.#pods.version };
    this.write(`${JSON.stringify({ type: 'BOOKMARK', object: { kind: 'Pod', metadata } })}\n`);
  }

  /** Writes raw bytes to every open watch. */
  write(bytes: string | Uint8Array): void {
    for (const response of this.#open)
      if (!this.#isSilent && !response.writableEnded) response.write(bytes);
  }

  /** Ends them as the server does after their timeout. */
  end(): void {
    for (const response of this.#open) this.#end(response);
  }

  /** Breaks the connections. */
  reset(): void {
    for (const response of this.#open) response.destroy();
  }

  /** Keeps connections open but writes nothing until `speak`. */
  silence(): void {
    this.#isSilent = true;
  }

  speak(): void {
    this.#isSilent = false;
  }

  #end(response: ServerResponse): void {
    if (!this.#isSilent) response.end();
  }

  #write(response: ServerResponse, event: unknown): void {
    // An ended watch stays open until the client closes it.
    if (!this.#isSilent && !response.writableEnded) response.write(`${JSON.stringify(event)}\n`);
  }
}
