import { once } from 'node:events';
import type { IncomingMessage, Server } from 'node:http';
import { boundedServer, closeServer } from '../../net/local-server.ts';
import type { HealthSettings } from '../settings/settings.ts';
import { codeOf, ConfigError } from '../failures.ts';
import { hostRefusal, refusalOf } from './local-api/admission.ts';

/** Whether the secrets are there, and what is wrong, in words of ours. */
export interface HealthState {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/;

interface Said {
  readonly status: number;
  readonly body: object;
}

/** `GET /healthz`, `GET /readyz` for probes, and `POST /quit` from the same pod. */
export class Health {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws ConfigError where nobody can listen there. */
  static async listen(
    { host, port }: HealthSettings,
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
    const listening = once(server, 'listening');
    server.listen(port, host);
    try {
      await listening;
    } catch (error) {
      throw new ConfigError('health', [`/health: ${host}:${port}: ${codeOf(error)}`]);
    }
    return new Health(server);
  }

  async close(): Promise<void> {
    await closeServer(this.#server);
  }
}

const QUITTING = 202;

/** Whoever reaches the port from outside the pod, as probes do, must not end it. */
export function isSamePod(address: string | undefined): boolean {
  return address !== undefined && LOOPBACK.test(address);
}

function answer(request: IncomingMessage, state: () => HealthState): Said {
  const { method, url, headers, socket } = request;
  if (method === 'POST' && url === '/quit') {
    if (!isSamePod(socket.remoteAddress))
      return { status: 403, body: { error: 'only from loopback' } };
    const refusal = refusalOf(headers) ?? hostRefusal(headers);
    if (refusal !== undefined) return { status: 403, body: { error: refusal.message } };
    return { status: QUITTING, body: { status: 'quitting' } };
  }
  if (method !== 'GET') return { status: 405, body: { error: 'not allowed' } };
  if (url === '/healthz') return { status: 200, body: { status: 'alive' } };
  if (url !== '/readyz') return { status: 404, body: { error: 'not found' } };
  const { ready, reasons } = state();
  return { status: ready ? 200 : 503, body: { ready, reasons } };
}
