import { describe, expect, it } from '@jest/globals';
import { settingsForRestart } from '../../../../src/program/config/changes.ts';
import { checkConfig } from '../../../../src/program/config/load.ts';
import { shownSettings } from '../../../../src/program/config/shown.ts';
import type { Config } from '../../../../src/program/config/schema.ts';
import {
  ConfigReload,
  digestOf,
  type Reloadable,
} from '../../../../src/program/broker/config-reload.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import type { Plan } from '../../../../src/ports/store.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

const BASE = {
  store: { type: 'sqlite', path: '/store/quaymaster.sqlite' },
  kek: { type: 'local-file', path: '/keys/kek.key' },
  audit: {
    origin: 'quaymaster.test/reload',
    logKeyFile: '/keys/log.key',
    checkpointFile: '/keys/checkpoint',
  },
};

function configWith(more: object = {}): Config {
  return checkConfig({ ...BASE, ...more }, 'config.yaml');
}

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A part of the broker that records what happens to it. */
class RecordingPart implements Reloadable {
  readonly happened: string[] = [];
  refusal: Error | undefined;
  prepare: Reloadable['prepare'] = async () => {
    await Promise.resolve();
    this.happened.push('prepare');
    if (this.refusal !== undefined) throw this.refusal;
    return {
      apply: () => void this.happened.push('apply'),
      discard: () => void this.happened.push('discard'),
    };
  };
}

interface Setup {
  readonly reload: ConfigReload;
  readonly parts: readonly [RecordingPart, RecordingPart];
  readonly entries: string[];
  /** The next results of reading the file; the last one repeats. */
  readonly files: (Config | Error)[];
  readonly loads: { count: number };
}

function setup(...files: (Config | Error)[]): Setup {
  const loads = { count: 0 };
  const entries: string[] = [];
  const parts = [new RecordingPart(), new RecordingPart()] as const;
  const load = async (): Promise<Config> => {
    await Promise.resolve();
    loads.count += 1;
    const next = files.length > 1 ? files.shift() : files[0];
    if (next instanceof Error || next === undefined) throw next ?? new Error('no file');
    return next;
  };
  const reload = new ConfigReload(configWith(), { load, clock: new HandClock(), log: SILENT });
  const commit = (plan: Plan): ReturnType<Parameters<ConfigReload['start']>[1]['commit']> => {
    entries.push(...(plan.entries ?? []));
    return Promise.resolve({ status: 'committed', seq: 1 } as never);
  };
  reload.start(parts, { commit });
  return { reload, parts, entries, files, loads };
}

describe('a reload of the configuration', () => {
  it('applies a change in every part, and counts it', async () => {
    const next = configWith({ log: { level: 'debug' } });
    const { reload, parts, entries } = setup(next);
    const { generation, digest } = await reload.reload();
    expect({ generation, digest }).toEqual({ generation: 2, digest: digestOf(next) });
    for (const part of parts) expect(part.happened).toEqual(['prepare', 'apply']);
    expect(JSON.parse(entries[0] ?? '')).toMatchObject({
      action: 'config.reload',
      outcome: 'ok',
      comment: `generation 2 ${digest}`,
    });
  });

  it('keeps the generation if no setting changed', async () => {
    const { reload } = setup(configWith());
    const before = reload.inUse();
    expect(await reload.reload()).toMatchObject({ generation: 1, digest: before.digest });
  });

  it('changes nothing when the file is not valid, and reports what config check reports (F59)', async () => {
    const invalid = new BrokerError('ERR_CONFIG_INVALID', 'config.yaml:3:1: /limit: unknown key');
    const { reload, parts, entries } = setup(invalid, configWith());
    const before = reload.inUse();
    await expect(reload.reload()).rejects.toBe(invalid);
    expect(reload.inUse()).toEqual({
      ...before,
      failure: { at: expect.any(Number), detail: invalid.message },
    });
    for (const part of parts) expect(part.happened).toEqual([]);
    expect(JSON.parse(entries[0] ?? '')).toMatchObject({
      action: 'config.reload',
      outcome: 'error',
      code: 'ERR_CONFIG_INVALID',
    });
    // A valid file ends the report.
    expect((await reload.reload()).failure).toBeUndefined();
  });

  it('changes nothing when a change needs a restart, and names each such setting', async () => {
    const kek = { type: 'local-file', path: '/other/kek.key' };
    const { reload, parts } = setup(configWith({ kek, log: { level: 'debug' } }));
    const error = await reload.reload().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      problems: [{ pointer: '/kek/path', message: 'needs a restart' }],
    });
    expect(reload.inUse().generation).toBe(1);
    for (const part of parts) expect(part.happened).toEqual([]);
  });

  it('discards what other parts prepared when one part refuses', async () => {
    const { reload, parts } = setup(configWith({ log: { level: 'debug' } }));
    parts[1].refusal = new BrokerError('ERR_CONFIG_INVALID', 'certificate and key do not match');
    await expect(reload.reload()).rejects.toBe(parts[1].refusal);
    expect(parts[0].happened).toEqual(['prepare', 'discard']);
    expect(parts[1].happened).toEqual(['prepare']);
    expect(reload.inUse().generation).toBe(1);
  });

  it('answers many requests with two reads of the file: the one in progress and one after it', async () => {
    const { reload, loads } = setup(configWith());
    const asked = Array.from({ length: 500 }, () => reload.reload());
    await Promise.all(asked);
    expect(loads.count).toBe(2);
    await reload.reload();
    expect(loads.count).toBe(3);
  });

  it('reads the file again for a request that arrives during a reload that fails', async () => {
    const last = configWith({ log: { level: 'warn' } });
    const { reload } = setup(new BrokerError('ERR_CONFIG_INVALID', 'half written'), last);
    const [first, second] = await Promise.allSettled([reload.reload(), reload.reload()]);
    expect([first.status, second.status]).toEqual(['rejected', 'fulfilled']);
    expect(reload.inUse()).toMatchObject({ generation: 2, digest: digestOf(last) });
  });

  it('waits for the reload in progress when the broker stops, and refuses later ones', async () => {
    const { reload, parts } = setup(configWith({ log: { level: 'debug' } }));
    const running = reload.reload();
    await reload.close();
    expect(parts[0].happened).toEqual(['prepare', 'apply']);
    await running;
    await expect(reload.reload()).rejects.toMatchObject({ code: 'ERR_BUSY' });
  });
});

describe('settings that need a restart', () => {
  const VAULT = {
    type: 'vault',
    address: 'https://vault.test',
    locators: ['kv/**'],
    auth: { method: 'token', tokenFile: '/token' },
  };
  const MANAGED = {
    listener: {},
    certificate: {
      managed: { connection: 'kube', webhookConfiguration: 'q', dnsNames: ['q.q.svc'] },
    },
    image: 'registry.test/quaymaster:1',
    broker: { url: 'https://quaymaster.test', cluster: 'prod' },
  };
  const KUBE = { type: 'kubernetes', inCluster: true };

  it.each<[string, object, object, readonly string[]]>([
    ['a connection', {}, { connections: { vault: VAULT } }, []],
    ['a limit', {}, { limits: { batchItems: 7 } }, []],
    ['the log level', {}, { log: { level: 'error' } }, []],
    ['an issuer of people', {}, { people: { issuers: {} } }, []],
    ['trusted proxies', {}, { listener: { trustedProxies: ['10.0.0.0/8'] } }, []],
    ['the port', {}, { listener: { port: 8300 } }, ['/listener/port']],
    ['the mode', {}, { mode: 'development' }, ['/mode']],
    ['the cache', {}, { cache: { maxBytes: 1 } }, ['/cache/maxBytes']],
    ['traces', {}, { traces: { endpoint: 'https://c.test/v1/traces' } }, ['/traces']],
    [
      'the endpoint of traces',
      { traces: { endpoint: 'https://a.test/v1/traces' } },
      { traces: { endpoint: 'https://b.test/v1/traces' } },
      [],
    ],
    [
      'TLS',
      { listener: {} },
      { listener: { tls: { certificateFile: '/c', keyFile: '/k' } } },
      ['/listener/tls'],
    ],
    [
      'the files of the certificate',
      { listener: { tls: { certificateFile: '/c', keyFile: '/k' } } },
      { listener: { tls: { certificateFile: '/c2', keyFile: '/k2' } } },
      [],
    ],
    [
      'the injector, which is another process',
      { injector: MANAGED, connections: { kube: KUBE } },
      { connections: { kube: KUBE } },
      [],
    ],
  ])('are listed for a change of %s', (_what, before, after, expected) => {
    expect(settingsForRestart(configWith(before), configWith(after))).toEqual(expected);
  });

  it('do not depend on the order of the file', () => {
    const one = configWith({ log: { level: 'warn' }, limits: { batchItems: 7 } });
    const other = configWith({ limits: { batchItems: 7 }, log: { level: 'warn' } });
    expect(settingsForRestart(one, other)).toEqual([]);
    expect(digestOf(one)).toBe(digestOf(other));
    expect(digestOf(one)).not.toBe(digestOf(configWith()));
  });
});

describe('the settings for people', () => {
  it('have the defaults and the names of files, and addresses without user, path and query', () => {
    const sink = 'https://logs.test/in/0f3a9c';
    const settings = shownSettings(
      configWith({
        audit: {
          ...BASE.audit,
          sinks: [{ type: 'http', url: sink, headersFile: '/keys/headers' }],
        },
        notifications: {
          hook: {
            format: 'quaymaster',
            url: 'https://chat.test/hook/s3cr3t?key=s3cr3t',
            secretFile: '/keys/hook',
          },
        },
      }),
    );
    expect(settings).toMatchObject({
      log: { level: 'info' },
      audit: { sinks: [{ url: 'https://logs.test/…', headersFile: '/keys/headers' }] },
      notifications: { hook: { url: 'https://chat.test/…', secretFile: '/keys/hook' } },
    });
    expect(
      shownSettings({ a: 'postgres://u:s3cr3t@db:5432/x', b: 'HTTPS://u@h?q=s3cr3t' } as never),
    ).toEqual({
      a: 'postgres://db:5432/…',
      b: 'HTTPS://h/…',
    });
  });
});
