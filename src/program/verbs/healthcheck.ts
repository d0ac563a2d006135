import { loadConfig } from '../config/load.ts';
import { BrokerError } from '../../domain/errors.ts';

const TIMEOUT_MS = 3_000;
/** The alert of a listener with `clientAuth: required`. This verb has no certificate, and only a live process sends the alert. */
const CERTIFICATE_REQUIRED = 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED';

/**
 * Requests /healthz from the listener of the configuration, on this machine.
 * @throws ERR_CONFIG_INVALID without a fixed port, ERR_CONFLICT without a response, ERR_STORE_UNAVAILABLE if the status is not 200
 */
export async function runHealthcheck(path: string): Promise<string> {
  const { listener } = await loadConfig(path);
  if (listener.port === 0) {
    const cure = 'a health check cannot know the port of the broker: set a fixed one';
    throw new BrokerError('ERR_CONFIG_INVALID', `listener.port is 0 in ${path}: ${cure}`);
  }
  const host = ['0.0.0.0', '::'].includes(listener.host) ? '127.0.0.1' : listener.host;
  const status = await fetchStatus(host, listener.port, listener.tls !== undefined).catch(
    (error: unknown) => {
      const { code } = error as NodeJS.ErrnoException;
      if (listener.tls?.clientAuth === 'required' && code === CERTIFICATE_REQUIRED) return 200;
      const place = `${host}, port ${listener.port}`;
      const cure = `start the broker, or correct "listener" in ${path}`;
      throw new BrokerError('ERR_CONFLICT', `no response from ${place}: ${cure}`, { cause: error });
    },
  );
  if (status !== 200)
    throw new BrokerError('ERR_STORE_UNAVAILABLE', `/healthz returned status ${status}`);
  return 'alive';
}

/**
 * The certificate is not verified: it has the broker's public name, not this address, and the check only needs an answer of the
 * process.
 */
async function fetchStatus(host: string, port: number, isTls: boolean): Promise<number> {
  const { request } = isTls ? await import('node:https') : await import('node:http');
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const options = { host, port, path: '/healthz', timeout: TIMEOUT_MS, rejectUnauthorized: false };
  const asked = request(options, (response) => {
    response.resume();
    resolve(response.statusCode ?? 0);
  });
  asked.on('timeout', () => asked.destroy(new Error(`no response within ${TIMEOUT_MS / 1000} s`)));
  asked.on('error', reject);
  asked.end();
  return promise;
}
