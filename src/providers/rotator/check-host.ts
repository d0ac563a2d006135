import type { SecretData } from '../../domain/secret.ts';
import { conflict } from './refusals.ts';

const HOST_KEYS = ['host', 'hostname', 'endpoint'];

/**
 * Whoever may write the secret's value must not turn an administrator's rights against another server: where a value names a host, it is this one,
 * and its port this one's.
 * @throws ERR_CONFLICT, reason `host_mismatch`.
 */
export function checkHost(
  data: SecretData | undefined,
  server: { readonly host: string; readonly port: number },
): void {
  for (const key of HOST_KEYS) {
    const named = data?.[key];
    if (named !== undefined && !isSame(named, server)) throw conflict('host_mismatch');
  }
  const port = data?.['port'];
  if (port !== undefined && port !== String(server.port)) throw conflict('host_mismatch');
}

/** `host` or `host:port`, as connection strings have it. */
function isSame(
  named: SecretData[string],
  { host, port }: { host: string; port: number },
): boolean {
  if (typeof named !== 'string') return false;
  const text = named.toLowerCase();
  const name = host.toLowerCase();
  return text === name || text === `${name}:${port}`;
}
