import { expect, it } from '@jest/globals';
import { eventually } from '../time/eventually.ts';
import { failureOf } from '../../contract/secret-provider.contract.ts';
import { refusal, revoked, type HostileTenant, type TenantPlace } from './postgres-tenant.ts';

/** A function that runs any statement with the rights of its owner. */
const DEFINER = `CREATE FUNCTION app.NAME(q text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
  AS $$ BEGIN EXECUTE q; END $$`;

let functions = 0;

async function plant(tenant: HostileTenant): Promise<string> {
  functions += 1;
  const name = `run_${functions}`;
  const session = await tenant.open();
  await session.query(DEFINER.replace('NAME', name));
  return `app.${name}`;
}

/** Attempts of a credential's holder to leave objects behind that act for it later. */
export function leftovers(at: () => TenantPlace): void {
  const asStranger = async (sql: string): Promise<string> => {
    const session = await at().stranger();
    try {
      await session.query(sql);
      return 'done';
    } catch (error) {
      return (error as { code: string }).code;
    } finally {
      await session.end();
    }
  };

  it('gives a definer function of the tenant to an heir, and it no longer runs as the tenant (HT01)', async () => {
    const tenant = await at().issue({ heir: at().heir });
    const name = await plant(tenant);
    await (await tenant.open()).query('CREATE TABLE app.data (id int)');
    await (await tenant.open()).query('CREATE VIEW app.spy AS SELECT * FROM public.orders');
    await (await tenant.open()).query('GRANT SELECT ON app.spy TO PUBLIC');
    expect(await revoked(at(), tenant)).toBe('');
    const owners = await at().place.query(
      `SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relname IN ('data', 'spy')`,
    );
    expect(owners).toEqual([[`"${at().heir}"`]]);
    expect(await asStranger(`SELECT ${name}('ALTER ROLE "${at().heir}" LOGIN')`)).toBe('42501');
    expect(await asStranger(`SELECT ${name}('DROP TABLE app.data')`)).toBe('42501');
    expect(await asStranger('SELECT * FROM app.spy')).toBe('42501');
    await at().place.query(`DROP TABLE app.data; DROP VIEW app.spy; DROP FUNCTION ${name}`);
  });

  it('keeps a role without an heir that owns objects locked and without rights, and reports it (HT01)', async () => {
    const tenant = await at().issue();
    const name = await plant(tenant);
    const read = `SELECT ${name}('SELECT * FROM public.orders')`;
    expect(await asStranger(read)).toBe('done');
    const failure = await refusal(at(), tenant);
    expect(failure).toMatchObject({ code: 'ERR_CONFLICT', reason: 'owns_objects' });
    expect(failure.detail).toContain(tenant.username);
    expect(failure.detail).toContain('heir');
    expect(await asStranger(read)).toBe('42501');
    await at().place.query(`DROP FUNCTION ${name}`);
    expect(await revoked(at(), tenant)).toBe('');
  });

  it('drops the objects of the tenant if the mount says so (HT01)', async () => {
    const tenant = await at().issue({ revocation: ['DROP OWNED BY {{name}}'] });
    const name = await plant(tenant);
    expect(await revoked(at(), tenant)).toBe('');
    expect(await asStranger(`SELECT ${name}('SELECT 1')`)).toBe('42883');
  });

  it.each(['CURRENT_USER', 'SESSION_USER', 'BROKER'])(
    'does not give objects to the role of the connection, not even if the mount says so: %s (HT01)',
    async (target) => {
      const to = target === 'BROKER' ? `"${at().place.admin}"` : target;
      const tenant = await at().issue({ revocation: [`REASSIGN OWNED BY {{name}} TO ${to}`] });
      const name = await plant(tenant);
      expect((await refusal(at(), tenant)).reason).toBe('heir_unfit');
      await at().place.query(`DROP FUNCTION ${name}`);
      expect(await revoked(at(), tenant)).toBe('');
    },
  );

  it('leaves large objects, default privileges and objects in other databases without a new owner (HT01)', async () => {
    const tenant = await at().issue({ heir: at().heir });
    const here = await tenant.open();
    await here.query('SELECT lo_create(0)');
    await here.query('ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC');
    const elsewhere = await tenant.open(undefined, 'postgres');
    await elsewhere.query('SELECT lo_create(0)');
    expect(await revoked(at(), tenant)).toBe('');
    const [row] = await at().place.query('SELECT count(*)::int FROM pg_roles WHERE rolname = $1', [
      tenant.username,
    ]);
    expect(row).toEqual([0]);
  });

  it.each(['SUPERUSER', 'CREATEROLE', 'REPLICATION', 'BYPASSRLS', 'LOGIN'])(
    'does not use an heir that is %s (HT01)',
    async (attribute) => {
      const heir = await at().makeHeir();
      const tenant = await at().issue({ heir });
      const name = await plant(tenant);
      await at().place.query(`ALTER ROLE "${heir}" ${attribute}`);
      expect((await refusal(at(), tenant)).reason).toBe('heir_unfit');
      await at().place.query(`DROP FUNCTION ${name}`);
      expect(await revoked(at(), tenant)).toBe('');
    },
  );

  it('does not use an heir that has members, or is one (HT01)', async () => {
    const [model, one, other] = [
      await at().makeHeir(),
      await at().makeHeir(),
      await at().makeHeir(),
    ];
    for (const [member, group, heir] of [
      [model, one, one],
      [other, model, other],
    ] as const) {
      const tenant = await at().issue({ heir });
      const name = await plant(tenant);
      await at().place.query(`GRANT "${group}" TO "${member}"`);
      expect((await refusal(at(), tenant)).reason).toBe('heir_unfit');
      await at().place.query(`REVOKE "${group}" FROM "${member}"`);
      await at().place.query(`DROP FUNCTION ${name}`);
      expect(await revoked(at(), tenant)).toBe('');
    }
  });

  it('revokes every membership that the tenant granted (HT01)', async () => {
    const tenant = await at().issue({ heir: at().heir });
    const session = await tenant.open();
    for (const member of [at().heir, at().place.admin, at().strangerName]) {
      // Up to PostgreSQL 15 a role may grant itself to others.
      await session.query(`GRANT "${tenant.username}" TO "${member}"`).catch(() => undefined);
    }
    await session.query('CREATE TABLE app.shared (id int)');
    expect(await revoked(at(), tenant)).toBe('');
    expect(await asStranger('DROP TABLE app.shared')).toBe('42501');
    await at().place.query('DROP TABLE app.shared');
  });

  it('revokes the rights of a tenant with more objects than can be reassigned in time (HT01)', async () => {
    const tenant = await at().issue({ heir: at().heir });
    const name = await plant(tenant);
    await (await tenant.open()).query('SELECT count(lo_create(0)) FROM generate_series(1, 60000)');
    // The shortest time in which this machine revokes the rights: it would not be enough to transfer the objects too.
    let timeoutMs = 1_000;
    const failure = await eventually('the rights are revoked', async () => {
      const refused = await failureOf(tenant.revoke({ timeoutMs }));
      timeoutMs *= 2;
      return refused.reason === 'objects_not_released' ? refused : undefined;
    });
    expect(await at().remains(tenant)).toBe('');
    expect(failure).toMatchObject({ code: 'ERR_CONFLICT', reason: 'objects_not_released' });
    expect(await asStranger(`SELECT ${name}('SELECT * FROM public.orders')`)).toBe('42501');
  });

  it('revokes the rights of a tenant that an accomplice granted more rights than can be listed (HT01)', async () => {
    const [tenant, accomplice] = [await at().issue(), await at().issue()];
    const name = await plant(tenant);
    const session = await accomplice.open();
    await session.query(`DO $$ BEGIN FOR i IN 1..12000 LOOP
      EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO "${tenant.username}"', lo_create(0)); END LOOP; END $$`);
    expect((await failureOf(tenant.revoke())).reason).toBe('owns_objects');
    expect(await at().place.logsIn(tenant.username, tenant.password)).toBe(false);
    expect(await asStranger(`SELECT ${name}('SELECT * FROM public.orders')`)).toBe('42501');
    await accomplice.revoke().catch(() => undefined);
  });

  it('uses the heir even if the tenant granted it rights on its own objects (HT01)', async () => {
    const tenant = await at().issue({ heir: at().heir });
    const session = await tenant.open();
    await session.query('CREATE TABLE app.poisoned (id int)');
    await session.query(`GRANT SELECT ON app.poisoned TO "${at().heir}"`);
    expect(await revoked(at(), tenant)).toBe('');
    await at().place.query('DROP TABLE app.poisoned');
  });
}
