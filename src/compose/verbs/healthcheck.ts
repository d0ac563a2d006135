import { loadConfig } from '../config/load.ts';
import { BrokerError } from '../../domain/errors.ts';

const TIMEOUT_MS = 3_000;

/** Asks the listener of the configuration, on this machine. @throws ERR_STORE_UNAVAILABLE when it does not answer 200. */
export async function runHealthcheck(path: string): Promise<string> {
  const { listener } = await loadConfig(path);
  const host = ['0.0.0.0', '::'].includes(listener.host) ? '127.0.0.1' : listener.host;
  const status = await statusOf(host, listener.port, listener.tls !== undefined);
  if (status !== 200) throw new BrokerError('ERR_STORE_UNAVAILABLE', `/healthz answered ${status}`);
  return 'alive';
}

/** The certificate names the broker's public name, not this address: whether the process answers is all that is asked. */
async function statusOf(host: string, port: number, isTls: boolean): Promise<number> {
  const { request } = isTls ? await import('node:https') : await import('node:http');
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const options = { host, port, path: '/healthz', timeout: TIMEOUT_MS, rejectUnauthorized: false };
  const asked = request(options, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  asked.on('timeout', () => asked.destroy(new Error('no answer in time')));
  asked.on('error', reject);
  asked.end();
  return promise;
}
