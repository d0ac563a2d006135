import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FakeApiServer } from './fake-api-server.ts';

interface Stored {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly generation: number;
    readonly resourceVersion: string;
  };
  readonly spec: unknown;
  readonly status?: unknown;
}

const GROUP = '/apis/quaymaster.dev/v1';

/** The AccessPolicies of a fake API server. Other kinds have no objects. */
export class FakeCustomResources {
  /** Writes of a status. */
  patched = 0;
  /** Complete lists of policies. */
  listed = 0;
  readonly #kube: FakeApiServer;
  readonly #objects = new Map<string, Stored>();
  readonly #watches = new Set<ServerResponse>();
  #version = 1;

  constructor(kube: FakeApiServer) {
    this.#kube = kube;
    kube.script('other', (request, response) => this.#serve(request, response));
  }

  /** Creates or changes a policy of the namespace `prod`. */
  put(name: string, spec: unknown): void {
    const known = this.#objects.get(name);
    const { generation = 0, uid = `uid-${name}` } = known?.metadata ?? {};
    const metadata = { name, namespace: 'prod', uid, generation: generation + 1 };
    this.#save(name, { ...known, metadata: { ...metadata, resourceVersion: '' }, spec });
  }

  #save(name: string, object: Stored): void {
    const type = this.#objects.has(name) ? 'MODIFIED' : 'ADDED';
    this.#version += 1;
    const metadata = { ...object.metadata, resourceVersion: `${this.#version}` };
    const saved = { ...object, metadata };
    this.#objects.set(name, saved);
    for (const each of this.#watches) each.write(`${JSON.stringify({ type, object: saved })}\n`);
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.#kube.address);
    if (!pathname.startsWith(GROUP)) {
      response.writeHead(404).end('{}');
      return;
    }
    response.setHeader('content-type', 'application/json');
    const isPolicies = pathname === `${GROUP}/accesspolicies`;
    if (request.method === 'PATCH') this.#patch(pathname, response);
    else if (searchParams.has('watch')) this.#watch(isPolicies, response);
    else {
      if (isPolicies) this.listed += 1;
      const items = isPolicies ? [...this.#objects.values()] : [];
      response.end(JSON.stringify({ metadata: { resourceVersion: `${this.#version}` }, items }));
    }
  }

  #patch(pathname: string, response: ServerResponse): void {
    this.patched += 1;
    const name = pathname.split('/').at(-2) ?? '';
    const object = this.#objects.get(name);
    if (object === undefined) {
      response.writeHead(404).end('{}');
      return;
    }
    const { status } = JSON.parse(this.#kube.requests.at(-1)?.body ?? '{}') as Stored;
    this.#save(name, { ...object, status });
    response.end(JSON.stringify(this.#objects.get(name)));
  }

  #watch(isPolicies: boolean, response: ServerResponse): void {
    response.flushHeaders();
    if (!isPolicies) return;
    this.#watches.add(response);
    response.once('close', () => this.#watches.delete(response));
  }
}
