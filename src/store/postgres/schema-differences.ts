import type { Client } from 'pg';
import type { TableName } from '../../ports/store.ts';
import { SCHEMA, shapeOf } from '../../ports/tables.ts';

const TABLES = Object.keys(SCHEMA) as TableName[];
/** The migration runner creates this table. Its columns are not checked, but no trigger belongs on it. */
const RUNNER_TABLE = 'quaymaster_schema';
const TYPES = { text: 'text', integer: 'bigint', bytes: 'bytea' } as const;

/** The broker's tables in the schema that unqualified names resolve to; "$1" is the list of their names. */
const OURS = `FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace AND n.nspname = current_schema() AND t.relname = ANY($1)`;

const RELATIONS = `SELECT t.relname AS "table", t.relkind = 'r' AND t.relpersistence = 'p' AND NOT t.relispartition AND NOT t.relrowsecurity
  AND NOT t.relforcerowsecurity AS "isPlain" ${OURS}`;
const COLUMNS = `SELECT t.relname AS "table", a.attname AS "name", format_type(a.atttypid, a.atttypmod) AS "type", a.attnotnull AS "isNotNull",
  a.attcollation = 0 OR a.attcollation = 'pg_catalog."C"'::regcollation AS "isBytewise",
  a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '' AS "hasDefault"
  ${OURS} JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped`;
const INDEXES = `SELECT t.relname AS "table", c.relname AS "name", pg_get_indexdef(i.indexrelid) AS "text",
  i.indisvalid AND i.indisready AND i.indimmediate AS "isValid"
  ${OURS} JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid`;
/** Objects that run by themselves or restrict rows. A foreign key of another table also acts on the table that it references. */
const ACTORS = `SELECT 'trigger' AS "kind", g.tgname AS "name", t.relname AS "table" ${OURS}
    JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
  UNION ALL SELECT 'rule', r.rulename, t.relname ${OURS} JOIN pg_rewrite r ON r.ev_class = t.oid
  UNION ALL SELECT 'policy', p.polname, t.relname ${OURS} JOIN pg_policy p ON p.polrelid = t.oid
  UNION ALL SELECT 'constraint', k.conname, t.relname ${OURS}
    JOIN pg_constraint k ON t.oid IN (k.conrelid, k.confrelid) AND k.contype NOT IN ('p', 'n')
  UNION ALL SELECT 'inheritance', h.inhrelid::regclass::text, t.relname ${OURS} JOIN pg_inherits h ON t.oid IN (h.inhrelid, h.inhparent)
  UNION ALL SELECT 'event trigger', e.evtname, NULL FROM pg_event_trigger e WHERE e.evtenabled <> 'D'
    AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')`;

interface ColumnRow {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  readonly isNotNull: boolean;
  readonly isBytewise: boolean;
  readonly hasDefault: boolean;
}

/**
 * Compares the catalogs with the result of the migrations. Tables, columns and indexes must match exactly, and nothing may run by itself. A role that
 * may alter the tables could add a trigger that undoes revocations, or drop an index that keeps tokens unique. Operators manage the grants.
 */
export async function schemaDifferences(
  client: Client,
  migrations: readonly string[],
): Promise<readonly string[]> {
  return [
    ...(await relationDifferences(client)),
    ...(await columnDifferences(client)),
    ...(await indexDifferences(client, expectedIndexes(migrations))),
    ...(await actors(client)),
  ];
}

async function relationDifferences(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ table: string; isPlain: boolean }>(RELATIONS, [TABLES]);
  const found = new Map(rows.map(({ table, isPlain }) => [table, isPlain]));
  return TABLES.flatMap((table) => {
    const isPlain = found.get(table);
    if (isPlain === undefined) return [`table "${table}" is missing`];
    return isPlain ? [] : [`"${table}" is not a plain, logged table without row security`];
  });
}

async function columnDifferences(client: Client): Promise<string[]> {
  const { rows } = await client.query<ColumnRow>(COLUMNS, [TABLES]);
  const found = new Map(rows.map((row) => [`${row.table}.${row.name}`, row]));
  const missing = TABLES.flatMap((table) =>
    Object.keys(shapeOf(table).columns)
      .filter((name) => !found.has(`${table}.${name}`))
      .map((name) => `column "${name}" of table "${table}" is missing`),
  );
  const other = rows.flatMap((row) => {
    const column = shapeOf(row.table as TableName).columns[row.name];
    const label = `column "${row.name}" of table "${row.table}"`;
    if (column === undefined) return [`${label} is not of the migrations`];
    const isSame =
      row.type === TYPES[column.replace('?', '') as keyof typeof TYPES] &&
      row.isNotNull === !column.endsWith('?') &&
      row.isBytewise &&
      !row.hasDefault;
    return isSame ? [] : [`${label} is not as the migrations make it`];
  });
  return [...missing, ...other];
}

async function indexDifferences(
  client: Client,
  expected: ReadonlyMap<string, string>,
): Promise<string[]> {
  const { rows } = await client.query<{
    table: string;
    name: string;
    text: string;
    isValid: boolean;
  }>(INDEXES, [TABLES]);
  const found = new Set(rows.map(({ name }) => name));
  const missing = [...expected.keys()].filter((name) => !found.has(name));
  const other = rows.flatMap(({ table, name, text, isValid }) => {
    const label = `index "${name}" on table "${table}"`;
    if (!expected.has(name)) return [`${label} is not of the migrations`];
    const isSame = isValid && plain(text) === expected.get(name);
    return isSame ? [] : [`${label} is not as the migrations make it`];
  });
  return [...missing.map((name) => `index "${name}" is missing`), ...other];
}

/** Removes storage parameters, because operators may set them. */
function plain(text: string): string {
  return text
    .replaceAll('"', '')
    .replace(/ ON \S+\./, ' ON ')
    .replace(/ WITH \([^()]*\)(?= WHERE |$)/, '');
}

async function actors(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ kind: string; name: string; table: string | null }>(
    ACTORS,
    [[...TABLES, RUNNER_TABLE]],
  );
  return rows
    .filter(({ kind, table }) => kind !== 'constraint' || table !== RUNNER_TABLE)
    .map(({ kind, name, table }) => {
      const place = table === null ? '' : ` on table "${table}"`;
      return `${kind} "${name}"${place} is not of the migrations`;
    });
}

const INDEX_STATEMENT =
  /CREATE (?<unique>UNIQUE )?INDEX "(?<name>\w+)" ON "(?<table>\w+)" \((?<columns>[^;]*)\);|DROP INDEX "(?<dropped>\w+)";/g;

/** The indexes that these migrations create, by name. The definitions are as PostgreSQL prints them, without quotation marks and the schema. */
function expectedIndexes(migrations: readonly string[]): ReadonlyMap<string, string> {
  const indexes = new Map<string, string>();
  for (const [table] of Object.entries(SCHEMA)) {
    const name = `${table}_pkey`;
    const columns = shapeOf(table as TableName).key.join(', ');
    indexes.set(name, `CREATE UNIQUE INDEX ${name} ON ${table} USING btree (${columns})`);
  }
  for (const { groups = {} } of migrations.join('\n').matchAll(INDEX_STATEMENT)) {
    const { unique = '', name = '', table = '', columns = '', dropped } = groups;
    const list = columns.replaceAll('"', '');
    if (dropped !== undefined) indexes.delete(dropped);
    else indexes.set(name, `CREATE ${unique}INDEX ${name} ON ${table} USING btree (${list})`);
  }
  return indexes;
}
