import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { CheckReport } from '../../ports/secret-provider.ts';
import type { MysqlServer } from './client/server.ts';

/** What one comes and goes by. MySQL writes the last with an underscore, and old servers mean it by SUPER. */
const NEEDED = [
  { may: 'make users', names: ['CREATE USER'] },
  { may: 'see connections of others', names: ['PROCESS'] },
  { may: 'end connections of others', names: ['CONNECTION ADMIN', 'CONNECTION_ADMIN', 'SUPER'] },
] as const;
const EVERYWHERE = /^GRANT (.+) ON \*\.\* TO /;
const ROLE = /^GRANT (?:(?! ON ).)+ TO /;

/** Logs in, and says what the account may not do of what is needed. */
export async function checkServer(server: MysqlServer, context: CallContext): Promise<CheckReport> {
  const place = `${server.host}:${server.port}`;
  try {
    const lines = await server.look(context, async (session) => {
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

/** What comes by a role is not shown by every server: where there is one, nothing is said to be missing. */
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
