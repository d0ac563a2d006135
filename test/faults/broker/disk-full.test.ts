import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { until } from '../../kit/backends/until.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import type { Answer } from '../../kit/broker/installation.ts';
import { canMount, leftOut, SmallDisk, itIfMounted } from '../../kit/files/small-disk.ts';

/** Space left on the disk, which reads then fill. */
const BYTES_LEFT = 16_384;

describe(`F22, F32: a broker whose disk is full${leftOut}`, () => {
  let disk: SmallDisk | undefined;
  let broker: PreparedBroker;
  let sessions: string[];
  let filler: string;

  beforeAll(async () => {
    if (!canMount) return;
    disk = SmallDisk.mount('96m')!;
    filler = join(disk.path, 'filler');
    const path = join(disk.path, 'quaymaster.db');
    broker = await PreparedBroker.start({ config: () => ({ store: { type: 'sqlite', path } }) });
    await broker.write('own/key', { key: 'mine' });
    sessions = await Promise.all(['a-0', 'a-1', 'a-2'].map((pod) => broker.logIn({ pod })));
    for (const session of sessions)
      expect((await broker.read(session, 'own/key')).status).toBe(200);
  });
  afterAll(async () => {
    await (broker as PreparedBroker | undefined)?.remove();
    disk?.unmount();
  });

  /** Fills the free space, and lets reads fill the rest. The broker writes meanwhile, so that the last of it may be gone. */
  const fill = async (): Promise<void> => {
    const { bavail, bsize } = statfsSync(disk!.path);
    try {
      writeFileSync(filler, Buffer.alloc(Math.max(0, bavail * bsize - BYTES_LEFT)));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
    await until('the disk is full', async () => {
      const answers = await Promise.all(
        Array.from({ length: 50 }, () => broker.read(sessions[0]!, 'own/key')),
      );
      return answers.some(({ status }) => status === 503);
    });
  };
  const call = (method: string, path: string, token?: string, body?: unknown): Promise<Answer> =>
    broker.installation.call(method, path, {
      ...(token !== undefined && { token }),
      ...(body !== undefined && { body }),
    });

  itIfMounted('reports it in advance, at 80 %, and keeps serving (A11)', async () => {
    const { blocks, bavail, bsize } = statfsSync(disk!.path);
    const readiness = async () => (await call('GET', '/readyz')).json;
    expect(await readiness()).not.toHaveProperty('warnings');
    writeFileSync(filler, Buffer.alloc((bavail - Math.floor(blocks * 0.15)) * bsize));
    await until('the warning is there', async () => 'warnings' in (await readiness()));
    expect(await readiness()).toEqual({ ready: true, reasons: [], warnings: ['store_space_low'] });
    expect((await broker.read(sessions[0]!, 'own/key')).status).toBe(200);
    rmSync(filler);
  });

  itIfMounted(
    'refuses every request that must be recorded, and discloses nothing (F22)',
    async () => {
      await fill();
      const [session = ''] = sessions;
      const { operator } = broker;
      const login = { cluster: 'c1', token: broker.serviceAccountToken() };
      const refused = await Promise.all([
        call('GET', '/api/v1/secrets/own/key', session),
        call('POST', '/api/v1/secrets:batch', session, { items: [{ path: 'own/key' }] }),
        call('GET', '/api/v1/secrets?prefix=own', session),
        call('POST', '/api/v1/sessions', undefined, login),
        call('GET', '/api/v1/sessions/self', session),
        call('GET', '/api/v1/leases', operator),
        call('GET', '/api/v1/policies', operator),
        call('POST', '/api/v1/policies:validate', operator, {}),
        call('GET', '/api/v1/audit/entries', operator),
        call('GET', '/api/v1/secrets/own/key', 'qms_nobody'),
        call('GET', '/api/v1/no/such/route', session),
      ]);
      for (const { status, json } of refused) {
        expect([status, json['code']]).toEqual([503, 'ERR_AUDIT_UNAVAILABLE']);
        expect(JSON.stringify(json)).not.toContain('mine');
      }
    },
  );

  itIfMounted('is alive, reports that it is not ready, and serves its metrics', async () => {
    expect((await call('GET', '/healthz')).status).toBe(200);
    const ready = await call('GET', '/readyz');
    expect(ready).toMatchObject({
      status: 503,
      json: { ready: false, reasons: ['ERR_AUDIT_UNAVAILABLE'] },
    });
    expect(await broker.metric('quaymaster_ready')).toBe(0);
    expect(await broker.metric('quaymaster_leases_live')).toBe(3);
  });

  itIfMounted(
    'still revokes: a session by its holder, and leases by an operator (F32)',
    async () => {
      const ended = await call('DELETE', '/api/v1/sessions/self', sessions[1]);
      expect(ended.status).toBe(204);
      const body = { by: 'pod', pod: 'uid-of-a-2' };
      const revoked = await call('POST', '/api/v1/leases:revoke', broker.operator, body);
      expect([revoked.status, revoked.json['revoked']]).toEqual([200, 1]);
      expect(await broker.metric('quaymaster_leases_live')).toBe(1);
      expect((await broker.read(sessions[0]!, 'own/key')).status).toBe(503);
    },
  );

  itIfMounted(
    'recovers automatically when there is space again, and keeps the revocations (F22)',
    async () => {
      rmSync(filler);
      await until('it is ready', async () => (await call('GET', '/readyz')).status === 200);
      expect((await broker.read(sessions[0]!, 'own/key')).status).toBe(200);
      expect((await broker.read(sessions[1]!, 'own/key')).status).toBe(401);
      expect((await broker.read(sessions[2]!, 'own/key')).status).toBe(403);
      expect(await broker.verifiedLog()).toContain('verified: ');
    },
  );
});
