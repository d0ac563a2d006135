import { BrokerError } from '../../../src/domain/errors.ts';
import type { KubernetesApi, KubernetesRequest } from '../../../src/ports/kubernetes-api.ts';

type Watching = (line: unknown) => void;

/**
 * API server in memory, for watches of any kind of object: the objects that it lists, the events that its watches report, and its
 * faults.
 */
export class ScriptedResources implements KubernetesApi {
  readonly server = 'https://scripted.test';
  /** Path of each request, with `watch ` before the path of a watch. */
  readonly requests: string[] = [];
  readonly #objects = new Map<string, readonly object[]>();
  readonly #watching = new Map<string, Set<Watching>>();
  #version = 1;
  /** Thrown by each list. */
  failure: BrokerError | undefined;

  /** Replaces the objects of a path, without an event. */
  set(path: string, objects: readonly object[]): void {
    this.#objects.set(path, objects);
  }

  watches(path: string): number {
    return this.#watching.get(path)?.size ?? 0;
  }

  /** Reports a change of an object to the open watches of the path. */
  send(path: string, type: string, object: object): void {
    this.#version += 1;
    this.#write(path, { type, object: withVersion(object, this.#version) });
  }

  /** Ends the watches of the path as the API server does when their version is too old. */
  expire(path: string): void {
    this.#write(path, { type: 'ERROR', object: { kind: 'Status', code: 410 } });
  }

  call({ path, query = {} }: KubernetesRequest): Promise<unknown> {
    const place = path.join('/');
    this.requests.push(place);
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const all = this.#objects.get(place) ?? [];
    const from = Number(query['continue'] ?? 0);
    const to = from + Number(query['limit']);
    const next = to < all.length ? { continue: String(to) } : {};
    const metadata = { resourceVersion: String(this.#version), ...next };
    const items = all.slice(from, to).map((object) => withVersion(object, this.#version));
    return Promise.resolve({ metadata, items });
  }

  stream(
    { path }: Pick<KubernetesRequest, 'path'>,
    signal: AbortSignal,
  ): Promise<AsyncIterable<unknown>> {
    const place = path.join('/');
    this.requests.push(`watch ${place}`);
    return Promise.resolve(this.#lines(place, signal));
  }

  close(): void {
    this.#watching.clear();
  }

  #write(path: string, line: unknown): void {
    for (const write of this.#watching.get(path) ?? []) write(line);
  }

  async *#lines(path: string, signal: AbortSignal): AsyncGenerator {
    const lines: unknown[] = [];
    let wake = (): void => undefined;
    const write = (line: unknown): void => {
      lines.push(line);
      wake();
    };
    const open = this.#watching.get(path) ?? new Set();
    this.#watching.set(path, open.add(write));
    signal.addEventListener('abort', () => wake());
    try {
      for (;;) {
        if (signal.aborted) throw new BrokerError('ERR_PROVIDER_TIMEOUT');
        const [line] = lines.splice(0, 1);
        if (line !== undefined) yield line;
        else {
          const { promise, resolve } = Promise.withResolvers<undefined>();
          wake = () => resolve(undefined);
          await promise;
        }
      }
    } finally {
      open.delete(write);
    }
  }
}

function withVersion(object: object, version: number): object {
  const { metadata = {} } = object as { readonly metadata?: object };
  return { ...object, metadata: { ...metadata, resourceVersion: String(version) } };
}
