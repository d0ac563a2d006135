import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { CheckReport } from '../../ports/secret-provider.ts';
import type { MysqlServer } from './client/server.ts';

/** The rights that the broker needs. MySQL writes the last with an underscore; older servers include it in SUPER. */
const NEEDED = [
  { may: 'make users', names: ['CREATE USER'] },
  { may: 'see connections of others', names: ['PROCESS'] },
  { may: 'end connections of others', names: ['CONNECTION ADMIN', 'CONNECTION_ADMIN', 'SUPER'] },
] as const;
const EVERYWHERE = /^GRANT (.+) ON \*\.\* TO /;
const ROLE = /^GRANT (?:(?! ON ).)+ TO /;

/** Logs in and reports which of the needed rights the account lacks. */
export async function checkServer(server: MysqlServer, context: CallContext): Promise<CheckReport> {
  const place = `${server.host}:${server.port}`;
  try {
    const lines = await server.read(context, async (session) => {
      await session.ask('SELECT 1 FROM mysql.user LIMIT 1');
      return (await session.ask('SHOW GRANTS')).map(([line]) => line ?? '');
    });
    const missing = missingOf(lines);
    const findings = missing.length > 0 ? missing : ['logs in, and may make users'];
    return {
      healthy: missing.length === 0,
      findings: findings.map((finding) => `${place}: ${finding}`),
    };
  } catch (error) {
    const { code, reason = '' } = BrokerError.from(error);
    const finding = `logging in and reading mysql.user: ${code} ${reason}; see docs/providers/mysql.md`;
    return { healthy: false, findings: [finding] };
  }
}

/**
 * Lists missing rights. Not every server shows rights that come from a role, so with a role nothing is reported as
 * missing.
 */
function missingOf(lines: readonly string[]): readonly string[] {
  if (lines.some((line) => ROLE.test(line))) return [];
  const held = lines.flatMap((line) => EVERYWHERE.exec(line)?.[1]?.split(', ') ?? []);
  if (held.includes('ALL PRIVILEGES')) return [];
  return NEEDED.flatMap(({ may, names }) =>
    names.some((name) => held.includes(name))
      ? []
      : [`may not ${may}: GRANT ${names[0]} ON *.* TO it`],
  );
}
