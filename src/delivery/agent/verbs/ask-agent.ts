import { request } from 'node:http';
import { systemClock } from '../../../clock.ts';
import { AgentFailure, EXIT } from '../../failures.ts';

const WITHIN_MS = 5_000;

export interface Question {
  readonly host: string;
  readonly port: number;
  readonly method: 'GET' | 'POST';
  readonly path: '/healthz' | '/readyz' | '/quit';
}

/** Asks the agent of this pod: what probes and hooks run, in an image without curl. @throws AgentFailure unless it answers 2xx */
export async function askAgent({ host, port, method, path }: Question): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const asked = request({ host, port, method, path, agent: false });
  const cancel = systemClock.after(WITHIN_MS, () => void asked.destroy(new Error('timeout')));
  asked.once('response', ({ statusCode = 0 }) => resolve(statusCode));
  asked.once('error', reject);
  asked.end();
  const status = await promise.catch(() => 0);
  cancel();
  asked.destroy();
  if (status >= 200 && status < 300) return EXIT.done;
  const said = status === 0 ? 'does not answer' : `answers ${status}`;
  throw new AgentFailure(EXIT.internal, `the agent at ${host}:${port}${path} ${said}`);
}
