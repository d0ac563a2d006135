import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { CheckReport } from '../../ports/secret-provider.ts';
import type { PostgresServer } from './client/server.ts';
import type { PostgresSession } from './client/session.ts';
import type { PostgresMountOptions } from './config.ts';
import { heirProblem } from './client/heir.ts';

const ADVICE: Readonly<Record<string, string>> = {
  login_refused: 'the login was refused: check username, passwordFile and pg_hba.conf',
  credential_file: 'passwordFile cannot be read, or does not hold one line',
  tls: 'TLS failed: check tls.caFile, tls.serverName, and that the server has ssl = on',
  network: 'cannot be reached: check host, port, routes and network policies',
  not_serving: 'does not serve now: it is starting, stopping, read-only or out of connections',
  weak_authentication: 'asks for the plain password without TLS: use scram-sha-256 or TLS',
};

const RIGHTS_OF_HEIR = `
  SELECT count(*) FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
   WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'a' AND r.rolname = $1`;
const OWN_RIGHTS = `
  SELECT rolsuper, rolcreaterole, pg_has_role(oid, 'pg_signal_backend', 'USAGE'),
         current_setting('max_prepared_transactions') <> '0',
         coalesce(current_setting('reserved_connections', true), '0') <> '0'
           AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'pg_use_reserved_connections' AND pg_has_role(own.oid, oid, 'USAGE'))
    FROM pg_roles own WHERE rolname = current_user`;

/** Logs in and reports which of the needed rights the role has and, for a mount, whether its heir is suitable. */
export async function checkServer(
  server: PostgresServer,
  context: CallContext,
  mount?: PostgresMountOptions,
): Promise<CheckReport> {
  const place = `${server.host}:${server.port}`;
  try {
    return await server.read(context, async (session) => {
      const [row = []] = await session.query(OWN_RIGHTS);
      const unfit = mount === undefined ? [] : await heirFindings(session, mount);
      const isPowerful = row[0] === 't' || row[1] === 't';
      return {
        healthy: isPowerful && unfit.every(({ isFault }) => !isFault),
        findings: [...findingsOf(place, row), ...unfit.map(({ text }) => `${place}: ${text}`)],
      };
    });
  } catch (error) {
    const reason = error instanceof BrokerError ? (error.reason ?? '') : '';
    const advice = ADVICE[reason] ?? 'failed: check the log of the server';
    return { healthy: false, findings: [`${place}: ${advice}`] };
  }
}

/** A missing heir is not a fault: a role that owns objects is then kept and listed. */
async function heirFindings(
  session: PostgresSession,
  { heir }: PostgresMountOptions,
): Promise<readonly { readonly text: string; readonly isFault: boolean }[]> {
  if (heir === undefined) return [];
  const problem = await heirProblem(session, heir);
  const found = problem === undefined ? [] : [{ text: `heir "${heir}" ${problem}`, isFault: true }];
  const [row] = await session.query(RIGHTS_OF_HEIR, [heir]);
  if (row?.[0] === undefined || row[0] === '0') return found;
  const text = `heir "${heir}" has rights on ${row[0]} objects that it does not own: revoke them unless users gave them on objects of their own`;
  return [...found, { text, isFault: false }];
}

function findingsOf(
  place: string,
  [isSuperuser, mayCreate, maySignal, hasPrepared, isReserved]: readonly unknown[],
) {
  if (isSuperuser === 't') {
    return [`${place}: logs in as a superuser: a role with CREATEROLE is enough`];
  }
  const findings = [`${place}: logs in`];
  if (mayCreate !== 't') findings.push(`${place}: may not create roles: ALTER ROLE … CREATEROLE`);
  if (maySignal !== 't') {
    findings.push(`${place}: may not terminate sessions of others: GRANT pg_signal_backend TO it`);
  }
  if (hasPrepared === 't') {
    const text = 'max_prepared_transactions is not 0: users can keep locks without a session';
    findings.push(`${place}: ${text}; set it to 0 unless an application needs two-phase commit`);
  }
  if (isReserved !== 't') {
    const text =
      'has no reserved connection: users who take every connection of the server delay revocations';
    const how =
      'set reserved_connections and GRANT pg_use_reserved_connections TO it (PostgreSQL 16 and later)';
    findings.push(`${place}: ${text}; ${how}`);
  }
  return findings;
}
