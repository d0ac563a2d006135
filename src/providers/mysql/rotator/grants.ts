import type { RotationTurn } from '../../../ports/rotation-target.ts';
import { conflict } from '../../rotator/values.ts';
import { type MysqlAccount, quoteAccount } from '../client/account.ts';
import type { MysqlSession } from '../client/session.ts';

/** Tokens of a grant: quoted names and texts, and the text between them, so that a word inside a name does not count. */
const TOKENS = /`(?:[^`]|``)*`|'(?:[^']|'')*'|[^`']+/g;
/** The login method of an account, which is its own. The demands and limits after it are copied. */
const LOGIN = /^ IDENTIFIED (?:(?! REQUIRE | WITH )[^'`]|'(?:[^']|'')*'|`(?:[^`]|``)*`)*/;
/** Pattern of granted roles; every other grant has ON. */
const ROLE = /^GRANT ((?:`(?:[^`]|``)*`(?:@`(?:[^`]|``)*`)?,?)+) TO $/;
const DEFAULT_ROLE = /^SET DEFAULT ROLE /;
/** The line that every account has: it grants nothing and holds demands and limits. */
const NOTHING = 'GRANT USAGE ON *.* TO ';
const NO_DEMANDS =
  'REQUIRE NONE WITH MAX_QUERIES_PER_HOUR 0 MAX_UPDATES_PER_HOUR 0 MAX_CONNECTIONS_PER_HOUR 0 MAX_USER_CONNECTIONS 0';

/** One line of SHOW GRANTS without the account: the text before and after its name. */
interface Grant {
  readonly head: string;
  readonly tail: string;
}

/**
 * Gives `to` exactly the rights, roles, TLS demand and limits of `from`, and checks that the server shows the same for both.
 * @throws ERR_CONFLICT, reason `grants_differ`, if it does not: the account of the connection may not grant all of them.
 */
export async function followGrants(
  session: MysqlSession,
  turn: RotationTurn,
  from: MysqlAccount,
  to: MysqlAccount,
): Promise<void> {
  const wanted = await readGrants(session, from);
  const held = await readGrants(session, to);
  if (isSame(wanted, held)) return;
  for (const statement of [...taking(held, to), ...giving(wanted, to)]) {
    turn.stillOurs();
    await session.run(statement);
  }
  if (isSame(wanted, await readGrants(session, to))) return;
  throw conflict('grants_differ', 'the second user could not be given all grants of the first one');
}

function taking(held: readonly Grant[], to: MysqlAccount): readonly string[] {
  const account = quoteAccount(to);
  const roles = held.flatMap(({ head }) => {
    const names = ROLE.exec(head)?.[1];
    return names === undefined ? [] : [`REVOKE ${names} FROM ${account}`];
  });
  const hasDefault = held.some(({ head }) => DEFAULT_ROLE.test(head));
  return [
    `REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${account}`,
    `ALTER USER ${account} ${NO_DEMANDS}`,
    ...(hasDefault ? [`SET DEFAULT ROLE NONE FOR ${account}`] : []),
    ...roles,
  ];
}

/** Builds the GRANT statements. A default role must be one of the granted roles, so it comes last. */
function giving(wanted: readonly Grant[], to: MysqlAccount): readonly string[] {
  const account = quoteAccount(to);
  const [first, last] = [
    wanted.filter(({ head }) => !DEFAULT_ROLE.test(head)),
    wanted.filter(({ head }) => DEFAULT_ROLE.test(head)),
  ];
  return [...first, ...last].flatMap((grant) => statementOf(grant, account));
}

/** A GRANT on everything needs the right to grant everything. For a line that grants nothing, ALTER USER is enough, which needs only CREATE USER. */
function statementOf({ head, tail }: Grant, account: string): readonly string[] {
  if (head !== NOTHING || tail.includes('GRANT OPTION')) return [head + account + tail];
  return tail === '' ? [] : [`ALTER USER ${account}${tail}`];
}

async function readGrants(session: MysqlSession, of: MysqlAccount): Promise<readonly Grant[]> {
  const rows = await session.ask(`SHOW GRANTS FOR ${quoteAccount(of)}`);
  const grants = rows.flatMap(([line]) => parse(line ?? '', of));
  if (grants.length > 0) return grants;
  throw conflict('grants_unreadable', 'the server shows no grants of the user');
}

/** Parses a line of SHOW GRANTS. Lines of other accounts, such as the account's roles, are left out. */
function parse(line: string, of: MysqlAccount): readonly Grant[] {
  const tokens = line.match(TOKENS) ?? [];
  const [user = '', host = ''] = [of.username, of.host].map(
    (name) => `\`${name.replaceAll('`', '``')}\``,
  );
  const at = tokens.findIndex((token, index) => {
    const isNamed =
      token === user && tokens[index + 1] === '@' && tokens[index + 2]?.startsWith(host);
    return isNamed === true && / (?:TO|FOR) $/.test(tokens[index - 1] ?? '');
  });
  if (at === -1) return [];
  const head = tokens.slice(0, at).join('');
  return [
    {
      head,
      tail: tokens
        .slice(at + 3)
        .join('')
        .replace(LOGIN, ''),
    },
  ];
}

function isSame(left: readonly Grant[], right: readonly Grant[]): boolean {
  return textOf(left) === textOf(right);
}

function textOf(grants: readonly Grant[]): string {
  return grants
    .map(({ head, tail }) => JSON.stringify([head, tail]))
    .sort()
    .join('\n');
}
