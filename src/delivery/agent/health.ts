import type { IncomingMessage, Server } from 'node:http';
import { boundedServer, closeServer, listenLocally } from '../../net/local-server.ts';
import type { HealthSettings } from '../settings/settings.ts';
import { ConfigError } from '../failures.ts';
import { hostRefusal, refusalOf } from './local-api/admission.ts';

/** Health of the agent: whether all required secrets are delivered, and the reasons why it is not healthy. */
export interface HealthState {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/;

interface Answer {
  readonly status: number;
  readonly body: object;
}

/** Server of `GET /healthz` and `GET /readyz` for probes, and of `POST /quit` from the same pod. */
export class Health {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws ConfigError if it cannot listen there. */
  static async listen(
    address: HealthSettings,
    state: () => HealthState,
    onQuit: () => void,
  ): Promise<Health> {
    const server = boundedServer((request, response) => {
      const { status, body } = answer(request, state);
      const type = { 'content-type': 'application/json', 'cache-control': 'no-store' };
      response.writeHead(status, type).end(JSON.stringify(body), () => {
        if (status === QUITTING) onQuit();
      });
    });
    try {
      await listenLocally(server, address);
    } catch (error) {
      throw new ConfigError('health', [`/health: ${(error as Error).message}`]);
    }
    return new Health(server);
  }

  async close(): Promise<void> {
    await closeServer(this.#server);
  }
}

const QUITTING = 202;

/** Callers from outside the pod reach the port too, as probes do: they must not end the agent. */
export function isSamePod(address: string | undefined): boolean {
  return address !== undefined && LOOPBACK.test(address);
}

function answer(request: IncomingMessage, state: () => HealthState): Answer {
  const { method, url, headers, socket } = request;
  if (method === 'POST' && url === '/quit') {
    if (!isSamePod(socket.remoteAddress))
      return { status: 403, body: { error: 'only from loopback' } };
    const refusal = refusalOf(headers) ?? hostRefusal(request);
    if (refusal !== undefined) return { status: 403, body: { error: refusal.message } };
    return { status: QUITTING, body: { status: 'quitting' } };
  }
  if (method !== 'GET') return { status: 405, body: { error: 'not allowed' } };
  if (url === '/healthz') return { status: 200, body: { status: 'alive' } };
  if (url !== '/readyz') return { status: 404, body: { error: 'not found' } };
  const { ready, reasons } = state();
  return { status: ready ? 200 : 503, body: { ready, reasons } };
}
