import { systemClock } from '../../../process/clock.ts';
import { withDeadline } from '../../../ports/deadline.ts';
import { AgentFailure, EXIT } from '../../failures.ts';
import { httpStatus, isSuccess } from '../http-status.ts';

const TIMEOUT_MS = 5_000;

export interface Question {
  readonly host: string;
  readonly port: number;
  readonly method: 'GET' | 'POST';
  readonly path: '/healthz' | '/readyz' | '/quit';
}

/** Calls the agent of this pod, for probes and hooks in an image without curl. @throws AgentFailure unless it answers 2xx */
export async function askAgent({ host, port, method, path }: Question): Promise<number> {
  const url = new URL(`http://${host.includes(':') ? `[${host}]` : host}:${port}${path}`);
  const status = await withDeadline(systemClock, TIMEOUT_MS, (signal) =>
    httpStatus({ method, url }, signal),
  ).catch(() => 0);
  if (isSuccess(status)) return EXIT.done;
  const outcome = status === 0 ? 'does not answer' : `answers ${status}`;
  throw new AgentFailure(EXIT.internal, `the agent at ${host}:${port}${path} ${outcome}`);
}
