import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { CheckReport } from '../../ports/secret-provider.ts';
import type { PostgresServer } from '../../upstream/postgres/postgres-server.ts';

const ADVICE: Readonly<Record<string, string>> = {
  login_refused: 'the login was refused: check username, passwordFile and pg_hba.conf',
  credential_file: 'passwordFile cannot be read, or does not hold one line',
  tls: 'TLS is not as it must be: check tls.caFile, tls.serverName and that the server has ssl on',
  network: 'cannot be reached: check host, port, routes and network policies',
  not_serving: 'does not serve now: it starts, stops, is read-only or has no connection left',
  weak_authentication:
    'asks for the password in the clear, and there is no TLS: use scram-sha-256 or TLS',
};

/** Logs in, and says what the role may do of what is needed. */
export async function checkServer(
  server: PostgresServer,
  context: CallContext,
): Promise<CheckReport> {
  const place = `${server.host}:${server.port}`;
  try {
    const [row = []] = await server.read(context, (session) =>
      session.query(
        `SELECT rolsuper, rolcreaterole, pg_has_role(oid, 'pg_signal_backend', 'USAGE') FROM pg_roles WHERE rolname = current_user`,
      ),
    );
    return { healthy: row[0] === 't' || row[1] === 't', findings: findingsOf(place, row) };
  } catch (error) {
    const reason = error instanceof BrokerError ? (error.reason ?? '') : '';
    const advice = ADVICE[reason] ?? 'failed: look at the log of the server';
    return { healthy: false, findings: [`${place}: ${advice}`] };
  }
}

function findingsOf(place: string, [isSuperuser, mayCreate, maySignal]: readonly unknown[]) {
  if (isSuperuser === 't') {
    return [`${place}: logs in as a superuser: a role with CREATEROLE is enough`];
  }
  const findings = [`${place}: logs in`];
  if (mayCreate !== 't') findings.push(`${place}: may not create roles: ALTER ROLE … CREATEROLE`);
  if (maySignal !== 't') {
    findings.push(`${place}: may not end sessions of others: GRANT pg_signal_backend TO it`);
  }
  return findings;
}
