import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BrokerClient } from '../../../src/client/index.ts';
import { MountRefused } from '../../../src/csi/mount-refused.ts';
import { mountVolume } from '../../../src/csi/mount-volume.ts';
import { PodSessions } from '../../../src/csi/pod-sessions.ts';
import type { MountResponse } from '../../../src/csi/driver-protocol.ts';
import { Sensitive } from '../../../src/domain/sensitive.ts';
import { HandClock } from '../../support/hand-clock.ts';

const HOUR = 3_600_000;

/** A broker that answers what a test says; the real one cannot lose a session at will. */
class ScriptedBroker {
  logins = 0;
  reads = 0;
  /** Sessions that it still knows, by their number. */
  known = new Set<number>();
  readonly clock = new HandClock();
  item: object = { path: 'a/db', version: '1', data: { k: 'v' } };
  readonly #server = createServer((request, response) => {
    request.resume();
    const isLogin = request.url === '/api/v1/sessions';
    const session = Number(/(\d+)$/.exec(request.headers.authorization ?? '')?.[1]);
    const answer = isLogin ? this.#logIn() : this.#read(session);
    const [code, body] = answer;
    const type = code < 400 ? 'application/json' : 'application/problem+json';
    response.writeHead(code, { 'content-type': type, 'x-request-id': 'req_1' });
    response.end(JSON.stringify(body));
  });

  async listen(): Promise<BrokerClient> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    const { port } = this.#server.address() as AddressInfo;
    return new BrokerClient({ url: `http://127.0.0.1:${port}` });
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #logIn(): readonly [number, object] {
    this.logins += 1;
    this.known.add(this.logins);
    const endsAt = new Date(this.clock.now() + HOUR).toISOString();
    const session = { id: `ses_${this.logins}`, endsAt, workload: {} };
    return [201, { token: `qms_${this.logins}`, session }];
  }

  #read(session: number): readonly [number, object] {
    this.reads += 1;
    if (this.known.has(session)) return [200, { items: [this.item] }];
    const code = 'ERR_UNAUTHENTICATED';
    const problem = { type: 'about:blank', title: 'A valid bearer token is needed', code };
    return [401, { ...problem, status: 401, requestId: 'req_1' }];
  }
}

let broker: ScriptedBroker;
let client: BrokerClient;
let sessions: PodSessions;

beforeEach(async () => {
  broker = new ScriptedBroker();
  client = await broker.listen();
  sessions = new PodSessions(client, 'c1', broker.clock);
});
afterEach(() => {
  client.close();
  broker.close();
});

function mount(key?: string, token = 'token-1'): Promise<MountResponse> {
  const format = key === undefined ? 'json' : 'files';
  const object = {
    path: 'a/db',
    version: undefined,
    file: 'db',
    format,
    key,
    mode: 0o444,
  } as const;
  const wish = { pod: 'prod/api-0', token: new Sensitive(token), objects: [object] };
  return mountVolume(wish, sessions, AbortSignal.timeout(10_000));
}

describe('mounting a volume', () => {
  it('uses one session for one token, also when two ask at once', async () => {
    await Promise.all([mount(), mount()]);
    await mount();
    expect(broker.logins).toBe(1);
    await mount(undefined, 'token-2');
    expect(broker.logins).toBe(2);
  });

  it('opens another session once its own is over, or is not known any more', async () => {
    await mount();
    broker.clock.advance(HOUR - 4_000);
    await mount();
    expect(broker.logins).toBe(2);
    broker.known.clear();
    expect((await mount()).files).toHaveLength(1);
    expect(broker.logins).toBe(3);
  });

  it('tries no third session', async () => {
    broker.known.add = () => broker.known;
    await expect(mount()).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
    expect(broker.logins).toBe(2);
  });

  it('gives one key alone, byte for byte, and fails where there is none', async () => {
    const { files } = await mount('k');
    expect(files).toEqual([{ path: 'db', mode: 0o444, contents: Buffer.from('v') }]);
    await expect(mount('toString')).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  it('says what a value cannot be written as, and nothing of the value', async () => {
    const canary = 'canary-of-bytes';
    broker.item = { path: 'a/db', version: '1', data: { k: { base64: canary } } };
    const object = { path: 'a/db', version: undefined, file: 'db', key: undefined, mode: 0o444 };
    const wish = {
      pod: '',
      token: new Sensitive('t'),
      objects: [{ ...object, format: 'dotenv' as const }],
    };
    const failure = await mountVolume(wish, sessions, AbortSignal.timeout(10_000)).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: status.FAILED_PRECONDITION });
    expect(String(failure)).toContain('a/db');
    expect(String(failure)).not.toContain(canary);
  });
});

describe('a failure', () => {
  it('that nobody foresaw is told as one, without its words', () => {
    const refused = MountRefused.from(new Error('canary'));
    expect(refused.code).toBe(status.INTERNAL);
    expect(refused.message).toBe('internal error');
  });
});
