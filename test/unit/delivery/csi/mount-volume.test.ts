import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { BrokerClient } from '../../../../src/client/index.ts';
import { MountRefused } from '../../../../src/delivery/csi/mount-refused.ts';
import { mountVolume } from '../../../../src/delivery/csi/mount-volume.ts';
import { PodSessions } from '../../../../src/delivery/csi/pod-sessions.ts';
import type { MountResponse } from '../../../../src/delivery/csi/driver-protocol.ts';
import { Sensitive } from '../../../../src/domain/secrets/sensitive.ts';
import { until } from '../../../kit/backends/until.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const HOUR = 3_600_000;

/** A broker with scripted answers; the real one cannot lose a session on request. */
class ScriptedBroker {
  /** Logins that were requested, and logins that were answered. */
  asked = 0;
  logins = 0;
  reads = 0;
  /** True: it accepts no token. */
  refused = false;
  /** Sessions that it still has, by number. */
  known = new Set<number>();
  readonly clock = new HandClock();
  /** Difference between its clock and the clock of the node. */
  offsetMs = 0;
  /** Logins wait for this promise. */
  open: Promise<unknown> = Promise.resolve();
  item: object = { path: 'a/db', version: '1', data: { k: 'v' } };
  readonly #server = createServer((request, response) => {
    request.resume();
    void this.#answer(request).then(([code, body]) => {
      const type = code < 400 ? 'application/json' : 'application/problem+json';
      response.writeHead(code, { 'content-type': type, 'x-request-id': 'req_1' });
      response.end(JSON.stringify(body));
    });
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

  async #answer({ url, headers }: IncomingMessage): Promise<readonly [number, object]> {
    const session = Number(/(\d+)$/.exec(headers.authorization ?? '')?.[1]);
    if (url !== '/api/v1/sessions') return this.#read(session);
    this.asked += 1;
    await this.open;
    return this.refused ? problem('ERR_TOKEN_INVALID') : this.#logIn();
  }

  #logIn(): readonly [number, object] {
    this.logins += 1;
    this.known.add(this.logins);
    const now = this.clock.now() + this.offsetMs;
    const [createdAt, endsAt] = [now, now + HOUR].map((at) => new Date(at).toISOString());
    const session = { id: `ses_${this.logins}`, createdAt, endsAt, workload: {} };
    return [201, { token: `qms_${this.logins}`, session }];
  }

  #read(session: number): readonly [number, object] {
    this.reads += 1;
    if (this.known.has(session)) return [200, { items: [this.item] }];
    return problem('ERR_UNAUTHENTICATED');
  }
}

function problem(code: string): readonly [number, object] {
  return [401, { type: 'about:blank', title: 'No', code, status: 401, requestId: 'req_1' }];
}

function refused(status: number, code: string): object {
  const error = { type: 'about:blank', title: 'No', code, status, requestId: 'req_1' };
  return { path: 'a/db', error };
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

function mount(
  key?: string,
  token = 'token-1',
  signal = AbortSignal.timeout(60_000),
): Promise<MountResponse> {
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
  return mountVolume(wish, sessions, signal);
}

describe('mounting a volume', () => {
  it('uses one session for one token, also for two concurrent requests', async () => {
    await Promise.all([mount(), mount()]);
    await mount();
    expect(broker.logins).toBe(1);
    await mount(undefined, 'token-2');
    expect(broker.logins).toBe(2);
  });

  it.each([-2, 2])(
    'uses it until it expires if the clock of the node is %i hours from the broker’s',
    async (hours) => {
      broker.offsetMs = hours * HOUR;
      await mount();
      broker.clock.advance(HOUR - 6_000);
      await mount();
      expect(broker.logins).toBe(1);
      broker.clock.advance(2_000);
      await mount();
      expect(broker.logins).toBe(2);
    },
  );

  it('logs in again when its session has expired or is refused', async () => {
    await mount();
    broker.clock.advance(HOUR - 4_000);
    await mount();
    expect(broker.logins).toBe(2);
    broker.known.clear();
    expect((await mount()).files).toHaveLength(1);
    expect(broker.logins).toBe(3);
  });

  it('opens one session for all concurrent requests that find theirs expired', async () => {
    await mount();
    broker.known.clear();
    await Promise.all([mount(), mount(), mount()]);
    expect(broker.logins).toBe(2);
    await mount();
    expect(broker.logins).toBe(2);
  });

  it('opens one session for all requests that waited for a login whose caller aborted', async () => {
    const gate = Promise.withResolvers<undefined>();
    broker.open = gate.promise;
    const quit = new AbortController();
    const first = mount(undefined, 'token-1', quit.signal).catch((error: unknown) => error);
    const others = [mount(), mount(), mount()];
    await until('it is asked', () => Promise.resolve(broker.asked === 1));
    quit.abort(new Error('gave up'));
    expect(await first).toMatchObject({ message: 'gave up' });
    await until('it is asked again', () => Promise.resolve(broker.asked === 2));
    gate.resolve(undefined);
    await Promise.all(others);
    await mount();
    expect(broker.asked).toBe(2);
  });

  it('reports to all requests that waited for one login that the token is refused', async () => {
    broker.refused = true;
    const mounts = await Promise.allSettled([mount(), mount(), mount()]);
    for (const result of mounts) {
      expect(result).toMatchObject({ reason: { code: 'ERR_TOKEN_INVALID' } });
    }
    expect(broker.asked).toBe(1);
    broker.refused = false;
    expect((await mount()).files).toHaveLength(1);
  });

  it('does not try a third session', async () => {
    broker.known.add = () => broker.known;
    await expect(mount()).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
    expect(broker.logins).toBe(2);
  });

  it('names the path, the code and the request id of a refusal', async () => {
    broker.item = refused(403, 'ERR_DENIED');
    await expect(mount()).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
      message: 'a/db: ERR_DENIED (request req_1)',
    });
  });

  it('names the alternative for a dynamic credential', async () => {
    broker.item = refused(409, 'ERR_CONFLICT');
    await expect(mount()).rejects.toMatchObject({
      code: status.FAILED_PRECONDITION,
      message: expect.stringMatching(
        /^a\/db: ERR_CONFLICT: is a dynamic credential; .*agent.* \(request req_1\)$/,
      ),
    });
  });

  it('writes one key alone, byte for byte, and fails if it is missing', async () => {
    const { files } = await mount('k');
    expect(files).toEqual([{ path: 'db', mode: 0o444, contents: Buffer.from('v') }]);
    await expect(mount('toString')).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  it('reports the format that a value does not fit, and nothing of the value', async () => {
    const canary = 'canary-of-bytes';
    broker.item = { path: 'a/db', version: '1', data: { k: { base64: canary } } };
    const object = { path: 'a/db', version: undefined, file: 'db', key: undefined, mode: 0o444 };
    const wish = {
      pod: '',
      token: new Sensitive('t'),
      objects: [{ ...object, format: 'dotenv' as const }],
    };
    const failure = await mountVolume(wish, sessions, AbortSignal.timeout(60_000)).catch(
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ code: status.FAILED_PRECONDITION });
    expect(String(failure)).toContain('a/db');
    expect(String(failure)).not.toContain(canary);
  });
});

describe('a failure', () => {
  it('is reported without its message if it is unexpected', () => {
    const refused = MountRefused.from(new Error('canary'));
    expect(refused.code).toBe(status.INTERNAL);
    expect(refused.message).toBe('internal error');
  });
});
