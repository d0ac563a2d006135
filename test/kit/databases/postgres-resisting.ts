import { expect, it } from '@jest/globals';
import type pg from 'pg';
import type { BrokerError } from '../../../src/domain/errors.ts';
import { quoteIdentifier } from '../../../src/providers/postgres/quote.ts';
import { until } from '../backends/until.ts';
import { contextOf, failureOf } from '../../contract/secret-provider.contract.ts';
import { refusal, revoked, type HostileTenant, type TenantPlace } from './postgres-tenant.ts';

/** Repeats a statement until the session ends. */
async function keepRunning(session: pg.Client, sql: string): Promise<void> {
  try {
    for (;;) await session.query(sql).catch(failEnded);
  } catch {
    // The session was terminated.
  }
}

function failEnded(error: unknown): void {
  // Two of the loops collided; the tenant continues.
  if ((error as { code?: string }).code !== 'XX000') throw error;
}

/** Logs in repeatedly, and keeps its row of pg_authid changing, until the server refuses it. */
async function keepReturning(tenant: HostileTenant): Promise<void> {
  for (;;) {
    try {
      const session = await tenant.open();
      await keepRunning(session, `ALTER ROLE CURRENT_USER PASSWORD '${tenant.password}'`);
    } catch (error) {
      if ((error as { code?: string }).code?.startsWith('28') === true) return;
    }
  }
}

/** Attempts of a credential's holder to prevent its revocation. */
export function resisting(at: () => TenantPlace): void {
  it('is revoked while the tenant holds advisory locks of any name (HT02)', async () => {
    const tenant = await at().issue();
    const session = await tenant.open();
    for (const name of [`quaymaster role ${tenant.username}`, 'quaymaster grants']) {
      await session.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [name]);
    }
    expect(await revoked(at(), tenant)).toBe('');
  });

  it('is revoked while the tenant keeps its own row of pg_authid locked (HT02)', async () => {
    const tenant = await at().issue();
    const session = await tenant.open();
    await session.query(`BEGIN`);
    await session.query(`ALTER ROLE CURRENT_USER PASSWORD 'q'`);
    expect(await revoked(at(), tenant)).toBe('');
  });

  it('is revoked while the tenant changes its own role in many reconnecting sessions (HT02)', async () => {
    const tenant = await at().issue();
    const loops = Array.from({ length: 6 }, () => keepReturning(tenant));
    expect(await revoked(at(), tenant)).toBe('');
    await Promise.all(loops);
  });

  it('is revoked while a prepared transaction of the tenant locks its row without a session (HT02)', async () => {
    const tenant = await at().issue();
    const session = await tenant.open();
    await session.query('BEGIN');
    await session.query(`ALTER ROLE CURRENT_USER PASSWORD 'q'`);
    await session.query(`PREPARE TRANSACTION '${tenant.username}'`);
    await session.end();
    expect(await revoked(at(), tenant)).toBe('');
  });

  it('is revoked while an open transaction of the tenant has locks on all its objects (HT02)', async () => {
    const tenant = await at().issue({ heir: at().heir });
    const session = await tenant.open();
    await session.query('CREATE TABLE app.locked (id int)');
    await session.query('BEGIN');
    await session.query('LOCK TABLE app.locked IN ACCESS EXCLUSIVE MODE');
    expect(await revoked(at(), tenant)).toBe('');
    await at().place.query('DROP TABLE app.locked');
  });

  it('is revoked with a session that stays out of pg_stat_activity after its login (HT02)', async () => {
    const tenant = await at().issue();
    const hidden = tenant.open('-c post_auth_delay=60').catch(() => undefined);
    await until('the hidden session has begun', async () => {
      const rows = await at().place.query(
        `SELECT 1 FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
          WHERE l.locktype = 'object' AND l.classid = 'pg_database'::regclass AND a.usesysid IS NULL
            AND l.objid = (SELECT oid FROM pg_database WHERE datname = current_database())`,
      );
      return rows.length > 0;
    });
    expect(await revoked(at(), tenant)).toBe('');
    // Any signal to the server process ends its delay. The session is then visible, and terminated like every other.
    const session = await hidden;
    const use = async (): Promise<unknown> => session?.query('SELECT 1');
    if (session !== undefined) await expect(use()).rejects.toThrow();
  });

  it('is revoked while other users log in all the time, and none of them is terminated (HT02)', async () => {
    const tenant = await at().issue();
    await tenant.open();
    let isOver = false;
    const failures: unknown[] = [];
    const others = Array.from({ length: 4 }, async () => {
      while (!isOver) {
        const session = await at().stranger();
        await session.query('SELECT 1').catch((error: unknown) => failures.push(error));
        await session.end();
      }
    });
    expect(await revoked(at(), tenant)).toBe('');
    isOver = true;
    await Promise.all(others);
    expect(failures).toEqual([]);
  });

  it('is revoked when the tenant has as many sessions as the server allows, which are limited (HT02)', async () => {
    const tenant = await at().issue();
    const sessions = await Promise.allSettled(Array.from({ length: 60 }, () => tenant.open()));
    const opened = sessions.filter(({ status }) => status === 'fulfilled').length;
    expect(opened).toBeGreaterThan(10);
    expect(opened).toBeLessThan(60);
    expect(await revoked(at(), tenant)).toBe('');
  });

  it('is revoked while an accomplice acts as the tenant and locks its row (HT02)', async () => {
    const [tenant, accomplice] = [await at().issue(), await at().issue()];
    const names = [tenant, accomplice].map(({ username }) => quoteIdentifier(username));
    await at().place.query(`GRANT ${names[0]} TO ${names[1]}`);
    const session = await accomplice.open();
    await session.query(`SET ROLE ${names[0]}`);
    await session.query('BEGIN');
    await session.query(`ALTER ROLE CURRENT_USER PASSWORD 'q'`);
    await at().place.query(`REVOKE ${names[0]} FROM ${names[1]}`);
    expect(await revoked(at(), tenant)).toBe('');
    expect(await revoked(at(), accomplice)).toBe('');
  });

  it('is revoked by two brokers at once (HT02)', async () => {
    const tenant = await at().issue();
    await (await tenant.open()).query('CREATE TABLE app.both (id int)');
    const outcomes = await Promise.allSettled([tenant.revoke(), tenant.revoke()]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect((await refusal(at(), tenant)).reason).toBe('owns_objects');
    await at().place.query('DROP TABLE app.both');
    await Promise.all([tenant.revoke(), tenant.revoke()]);
    expect(await at().remains(tenant)).toBe('');
  });

  it('does not terminate an administrator who keeps the role locked, and names the process (HT02)', async () => {
    const tenant = await at().issue();
    const administrator = await at().administrator();
    const { rows } = await administrator.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await administrator.query('BEGIN');
    await administrator.query(`ALTER ROLE "${tenant.username}" CONNECTION LIMIT 5`);
    const failure = await failureOf(tenant.revoke());
    expect(failure).toMatchObject({ code: 'ERR_PROVIDER_TIMEOUT', reason: 'blocked' });
    expect(failure.detail).toContain(`processes ${rows[0]?.pid}`);
    await administrator.query('ROLLBACK');
    await administrator.end();
    expect(await revoked(at(), tenant)).toBe('');
  });

  it('terminates no session that only reads a table of the tenant, and reports that it is blocked (HT02)', async () => {
    const tenant = await at().issue({ heir: at().heir });
    const session = await tenant.open();
    await session.query('CREATE TABLE app.read_by_others (id int)');
    await session.query('GRANT SELECT ON app.read_by_others TO PUBLIC');
    const reader = await at().stranger();
    await reader.query('BEGIN');
    await reader.query('SELECT * FROM app.read_by_others');
    expect((await refusal(at(), tenant)).reason).toBe('blocked');
    await reader.query('COMMIT');
    expect(await revoked(at(), tenant)).toBe('');
    await at().place.query('DROP TABLE app.read_by_others');
  });

  it('delays others by at most a second by a lock on a shared table (HT03)', async () => {
    const holder = await at().issue();
    const session = await holder.open();
    await session.query('BEGIN');
    await session.query('LOCK TABLE public.orders IN ACCESS EXCLUSIVE MODE');
    // PostgreSQL 18 waits for that lock in GRANT, 15 does not.
    const outcome = await at()
      .issue()
      .then(
        () => 'issued',
        (error: unknown) => (error as BrokerError).reason,
      );
    expect(['issued', 'blocked']).toContain(outcome);
    expect(await revoked(at(), holder)).toBe('');
    expect(await revoked(at(), await at().issue())).toBe('');
  });

  it('is locked and has no usable right while an accomplice locks a shared table (HT02)', async () => {
    const [tenant, accomplice] = [await at().issue(), await at().issue()];
    const session = await accomplice.open();
    await session.query('BEGIN');
    await session.query('LOCK TABLE public.orders IN ACCESS EXCLUSIVE MODE');
    const outcome = await tenant.revoke().then(
      () => 'revoked',
      (error: unknown) => (error as BrokerError).reason,
    );
    expect(['revoked', 'blocked']).toContain(outcome);
    expect(await at().place.logsIn(tenant.username, tenant.password)).toBe(false);
    expect(await revoked(at(), accomplice)).toBe('');
    expect(await revoked(at(), tenant)).toBe('');
  });

  it('blocks no issue of others by advisory locks (HT03)', async () => {
    const stranger = await at().stranger();
    await stranger.query(`SELECT pg_advisory_lock(hashtextextended('quaymaster grants', 0))`);
    const tenant = await at().issue();
    expect(await tenant.credentials.renew(tenant.handle, 60, contextOf())).toBe(60);
    expect(await revoked(at(), tenant)).toBe('');
    await stranger.end();
  });
}
