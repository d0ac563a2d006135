import { BrokerError } from '../../../domain/errors.ts';
import { conflict } from '../../rotator/values.ts';
import { roleExists } from '../client/close-role.ts';
import { joinRole } from '../client/membership.ts';
import { quoteIdentifier, quoteLiteral } from '../quote.ts';
import type { PostgresRow, PostgresSession } from '../client/session.ts';

/** Attributes of a role that membership does not pass on. */
const ATTRIBUTES = [
  ['rolcreatedb', 'CREATEDB'],
  ['rolcreaterole', 'CREATEROLE'],
  ['rolreplication', 'REPLICATION'],
  ['rolbypassrls', 'BYPASSRLS'],
  ['rolinherit', 'INHERIT'],
] as const;

/**
 * Gives `follower` the rights of `model`. A missing follower is created as a member of the model and acts as the model
 * from its login on (`SET role`). So the model's grants, row security, default privileges and ownership of new objects
 * apply to it, now and later. A copy of the grants would be outdated after the next GRANT. Attributes and settings,
 * which membership does not pass on, are copied each time. A follower that is not a member is left unchanged.
 * @throws ERR_CONFLICT, reason `role_missing` or `role_superuser`.
 */
export async function followRole(
  session: PostgresSession,
  follower: string,
  model: string,
): Promise<void> {
  const exists = await roleExists(session, follower);
  if (exists && !(await isMember(session, follower, model))) return;
  await needRole(session, model);
  await refuseSuperuser(session, model);
  const own = quoteIdentifier(follower);
  if (!exists) {
    await session.query(`CREATE ROLE ${own} NOLOGIN`);
    await joinRole(session, model, follower);
  }
  await copyAttributes(session, follower, model);
  await copySettings(session, follower, model);
}

/** @throws ERR_CONFLICT, reason `role_missing`. */
export async function needRole(session: PostgresSession, username: string): Promise<void> {
  if (await roleExists(session, username)) return;
  throw conflict('role_missing', 'the server has no role of that name; create it first');
}

async function isMember(
  session: PostgresSession,
  follower: string,
  model: string,
): Promise<boolean> {
  const rows = await session.query(
    `SELECT 1 FROM pg_auth_members m
       JOIN pg_roles follower ON follower.oid = m.member JOIN pg_roles model ON model.oid = m.roleid
      WHERE follower.rolname = $1 AND model.rolname = $2`,
    [follower, model],
  );
  return rows.length > 0;
}

async function refuseSuperuser(session: PostgresSession, model: string): Promise<void> {
  const rows = await session.query('SELECT 1 FROM pg_roles WHERE rolname = $1 AND NOT rolsuper', [
    model,
  ]);
  if (rows.length === 1) return;
  throw conflict(
    'role_superuser',
    'the user is a superuser; the broker does not create a second one',
  );
}

/** Sets only attributes that differ, because even NOREPLICATION needs the attribute REPLICATION. */
async function copyAttributes(
  session: PostgresSession,
  follower: string,
  model: string,
): Promise<void> {
  const [limit, ...wanted] = await readAttributes(session, model);
  const [ownLimit, ...has] = await readAttributes(session, follower);
  const words = ATTRIBUTES.map(([, word], index) => {
    if (wanted[index] === has[index]) return '';
    return wanted[index] === 't' ? word : `NO${word}`;
  });
  if (limit !== ownLimit) words.push(`CONNECTION LIMIT ${wholeNumber(limit)}`);
  const changed = words.filter((word) => word !== '').join(' ');
  if (changed === '') return;
  await session.query(`ALTER ROLE ${quoteIdentifier(follower)} WITH ${changed}`);
}

async function readAttributes(session: PostgresSession, username: string): Promise<PostgresRow> {
  const columns = ATTRIBUTES.map(([column]) => column).join(', ');
  const [row = []] = await session.query(
    `SELECT rolconnlimit, ${columns} FROM pg_roles WHERE rolname = $1`,
    [username],
  );
  return row;
}

/** All settings of the model by `ALTER ROLE … SET`, for all databases and for each. */
async function copySettings(
  session: PostgresSession,
  follower: string,
  model: string,
): Promise<void> {
  const own = quoteIdentifier(follower);
  const role = await readSettings(session, follower);
  for (const place of new Set(role.map(({ database }) => database))) {
    await session.query(`ALTER ROLE ${own}${inDatabase(place)} RESET ALL`);
  }
  const copied = await readSettings(session, model);
  // If the model itself acts as another role after login, that setting is copied instead.
  const actsAlready = copied.some(({ name, database }) => name === 'role' && database === '');
  const settings = actsAlready ? copied : [...copied, { database: '', name: 'role', value: model }];
  for (const { database, name, value } of settings) {
    const literal = name === 'role' ? quoteLiteral(value) : settingLiteral(name, value);
    const place = `ALTER ROLE ${own}${inDatabase(database)}`;
    await session.query(`${place} SET ${settingName(name)} TO ${literal}`);
  }
}

interface RoleSetting {
  /** Database of the setting; '' for all databases. */
  readonly database: string;
  readonly name: string;
  readonly value: string;
}

async function readSettings(
  session: PostgresSession,
  username: string,
): Promise<readonly RoleSetting[]> {
  const rows = await session.query(
    `SELECT coalesce(d.datname, ''), split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)
       FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
       LEFT JOIN pg_database d ON d.oid = s.setdatabase, unnest(s.setconfig) AS entry
      WHERE r.rolname = $1 ORDER BY 1, 2`,
    [username],
  );
  return rows.map(([database, name, value]) => ({
    database: text(database),
    name: text(name),
    value: text(value),
  }));
}

function inDatabase(database: string): string {
  return database === '' ? '' : ` IN DATABASE ${quoteIdentifier(database)}`;
}

/** Quotes the name of a setting such as `plpgsql.variable_conflict`: each part is a name. */
function settingName(name: string): string {
  return name.split('.').map(quoteIdentifier).join('.');
}

function wholeNumber(value: PostgresRow[number] | undefined): string {
  if (value === undefined || value === null || !/^-?\d{1,10}$/.test(value)) throw malformed();
  return value;
}

function text(value: PostgresRow[number] | undefined): string {
  if (typeof value !== 'string') throw malformed();
  return value;
}

function malformed(): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_a_catalogue' });
}

/** Settings with a list of names: each is quoted separately, because one literal would be one name. */
const LISTS = new Set([
  'search_path',
  'temp_tablespaces',
  'local_preload_libraries',
  'session_preload_libraries',
]);
/** A quoted name, or an unquoted one with its blanks. No two parts can match the same character, or a hostile server's text would take for ever. */
const ITEM = /(?:\s*"((?:[^"]|"")*)"\s*|([^",]*))(?:,|$)/y;

/** Formats the stored text of a setting for `ALTER ROLE … SET name TO`. */
export function settingLiteral(name: string, value: string): string {
  if (!LISTS.has(name)) return quoteLiteral(value);
  return itemsOf(value).map(quoteLiteral).join(', ');
}

function itemsOf(value: string): readonly string[] {
  const items: string[] = [];
  ITEM.lastIndex = 0;
  do {
    const found = ITEM.exec(value);
    // A text that is not in the server's form of a list is passed on as one text, which the server checks itself.
    if (found === null) return [value];
    items.push(found[1]?.replaceAll('""', '"') ?? found[2]?.trim() ?? '');
  } while (ITEM.lastIndex < value.length);
  return items;
}
