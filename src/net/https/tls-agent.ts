import { Agent } from 'node:https';
import type { TlsIdentity } from './tls-identity.ts';

const IDLE_SOCKET_MS = 30_000;

/**
 * An agent for one peer and one identity: shared agents have served one host's connection to another (CVE-2026-56850). Sessions are not resumed,
 * because resumption has skipped the host name check (CVE-2026-48928).
 */
export function tlsAgent(identity: TlsIdentity, maxSockets: number): Agent {
  return new Agent({
    keepAlive: true,
    maxSockets,
    timeout: IDLE_SOCKET_MS,
    maxCachedSessions: 0,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(identity.ca !== undefined && { ca: identity.ca }),
    ...(identity.cert !== undefined && { cert: identity.cert }),
    ...(identity.key !== undefined && { key: identity.key }),
    ...(identity.serverName !== undefined && { servername: identity.serverName }),
  });
}
