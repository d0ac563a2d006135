import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Provider } from '../../../../src/delivery/csi/provider.ts';
import { settingsSchema } from '../../../../src/delivery/csi/settings.ts';
import { freePort } from '../../../kit/backends/free-port.ts';
import { until } from '../../../kit/backends/until.ts';
import { BusySocket } from '../../../kit/delivery/busy-socket.ts';
import { CsiDriver } from '../../../kit/delivery/csi-driver.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const log = { debug: () => 0, info: () => 0, warn: () => 0, error: () => 0 };

let directory: string;
let socket: string;
let port: number;
let clock: HandClock;
let provider: Provider | undefined;
/** A broker that accepts requests and answers none. */
let silent: Server;
let asked: number;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'qm-csi-'));
  socket = join(directory, 'quaymaster.sock');
  port = await freePort();
  clock = new HandClock();
  provider = undefined;
  asked = 0;
  silent = createServer(() => (asked += 1)).listen(0, '127.0.0.1');
  await once(silent, 'listening');
});

afterEach(async () => {
  silent.closeAllConnections();
  silent.close();
  await provider?.close();
  rmSync(directory, { recursive: true });
});

async function listen(): Promise<void> {
  const broker = (silent.address() as AddressInfo).port;
  const settings = settingsSchema.parse({
    socket,
    broker: { url: `http://127.0.0.1:${broker}` },
    cluster: 'c1',
    health: { host: '127.0.0.1', port },
  });
  provider = await Provider.listen(settings, { clock, log, release: '0.0.0' });
}

describe('a provider', () => {
  it('has a socket that is created for its owner alone, whatever the umask is', async () => {
    const former = process.umask(0);
    const modes = new Set<number>();
    const watching = { isOver: false };
    const watch = (): void => {
      const found = statSync(socket, { throwIfNoEntry: false });
      if (found !== undefined) modes.add(found.mode & 0o777);
      if (!watching.isOver) setImmediate(watch);
    };
    watch();
    try {
      await listen();
    } finally {
      watching.isOver = true;
      expect(process.umask(former)).toBe(0);
    }
    watch();
    expect([...modes]).toEqual([0o600]);
  });

  it('holds no socket and reports the address if it cannot listen for health', async () => {
    const other = createServer().listen(port, '127.0.0.1');
    await once(other, 'listening');
    await expect(listen()).rejects.toThrow(`cannot listen at 127.0.0.1:${port}`);
    expect(existsSync(socket)).toBe(false);
    other.close();
    await once(other, 'close');
    await listen();
    expect(existsSync(socket)).toBe(true);
  });

  it('reports that the broker did not answer in time, within its own limit', async () => {
    await listen();
    const driver = new CsiDriver(socket);
    const mounted = driver.mount([{ path: 'own/db' }], { token: 'eyJ' });
    const failed = expect(mounted).rejects.toMatchObject({
      code: status.DEADLINE_EXCEEDED,
      details: 'the broker did not answer within 30 s',
    });
    await until('the broker is asked', () => Promise.resolve(asked > 0));
    clock.advance(30_000);
    await failed;
    driver.close();
  });

  it('does not replace the socket of a busy process, nor a file', async () => {
    const busy = await BusySocket.listen(socket);
    await expect(listen()).rejects.toThrow(/another process may listen there \(EAGAIN\)/);
    expect(existsSync(socket)).toBe(true);
    await busy.close();
    await listen();
    await provider?.close();
    writeFileSync(socket, '');
    await expect(listen()).rejects.toThrow('is not a socket');
    provider = undefined;
  });
});
