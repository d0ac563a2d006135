import { describe, expect, it, jest } from '@jest/globals';
import { runDoctor } from '../../../../src/cli/verbs/doctor.ts';
import { runStatus } from '../../../../src/cli/verbs/status.ts';
import { systemClock } from '../../../../src/process/clock.ts';
import {
  checkFiles,
  configFindings,
  coreFindings,
  runConfigCheck,
} from '../../../../src/program/verbs/check-files.ts';
import { checkConfig } from '../../../../src/program/config/load.ts';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createKeyFile } from '../../../../src/providers/embedded/kek.ts';
import { brokerStatus } from '../../../kit/cli/broker-status.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { CertificateAuthority, type Certificate } from '../../../kit/network/certificates.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';
import { refusal, ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

removeTreesAfterEach();

const authority = new CertificateAuthority();
const [PAIR, OTHER_PAIR] = ['a', 'b'].map((commonName) => authority.issue({ commonName })) as [
  Certificate,
  Certificate,
];
const EXPIRED_PAIR = authority.issue({
  commonName: 'old',
  notBefore: new Date(Date.now() - 7_200_000),
  notAfter: new Date(Date.now() - 3_600_000),
});
const UNUSABLE = '/key cannot be used as certificate and key';

type Witness = ReturnType<typeof brokerStatus>['log']['witnesses'][number];
type Answers = ConstructorParameters<typeof ScriptedBroker>[0];

const LAGGING = { behindSince: '2026-01-05T09:40:00.000Z', stopped: false, failing: false };
const EXPIRED = {
  setting: 'listener.tls.certificateFile',
  expiresAt: '2026-01-03T10:00:00.000Z',
  state: 'expired',
} as const;
const EXPIRING = {
  setting: 'connections.mesh.bundleFile',
  expiresAt: '2026-01-14T10:00:00.000Z',
  state: 'expiring',
} as const;
const FAILING = { sinks: [{ lag: 3, stopped: false, failing: true }] };
const [A, B] = ['a', 'b'].map((name) => ({ name, failing: false, contradicts: false })) as [
  Witness,
  Witness,
];
const WITNESSED = { witnessedEntries: 40, unwitnessedSeconds: 7, witnesses: [A, B] };
const IN_USE = { generation: 3, loadedAt: '2026-01-02T03:04:05.000Z', digest: 'ab'.repeat(32) };
const HEALTHY: Answers = {
  readReadiness: () => ({ ready: true, reasons: [] }),
  readHealth: () => ({ status: 'ok' }),
  readConfiguration: () => IN_USE,
  readStatus: () => brokerStatus(),
  listMounts: () => ({
    items: [{ name: 'pay', document: { prefix: 'pay', connection: 'bao' } }],
  }),
  checkMount: () => ({ healthy: true, findings: [] }),
  listRotations: () => ({ items: [] }),
  listRevocations: () => ({ items: [] }),
  listClusters: () => ({ items: [{ name: 'prod', document: {} }] }),
  listOperators: () => ({
    items: ['ann', 'bob'].map((name) => ({ name, document: { grants: [{ role: 'admin' }] } })),
  }),
  listRoleBindings: () => ({ items: [] }),
  listPolicies: () => ({ items: [] }),
  explainDecision: () => ({ decision: { effect: 'allow' }, lines: ['allowed by p'], blocks: [] }),
  readDefinition: () => {
    throw refusal(404, 'ERR_NOT_FOUND');
  },
  listSecretVersions: () => ({ items: [{ state: 'current' }] }),
  searchAudit: () => ({ items: [] }),
  readArchive: () => ({ place: 's3://audit', keepDays: 90 }),
  archiveAudit: () => ({ total: 0 }),
};
const denied = (): never => {
  throw refusal(403, 'ERR_DENIED', { detail: 'this needs the role admin' });
};

async function status(change: Answers = {}, format: 'table' | 'json' = 'table') {
  const context = cliContext({ broker: new ScriptedBroker({ ...HEALTHY, ...change }), format });
  const code = await runStatus(context);
  return { code, out: context.out() };
}

async function doctor(args: readonly string[], change: Answers = {}, as?: string) {
  const context = cliContext({ broker: new ScriptedBroker({ ...HEALTHY, ...change }) });
  const options = as === undefined ? {} : { as };
  const code = await runDoctor(context, { args, options });
  return { code, out: context.out() };
}

describe('status', () => {
  it('shows everything on one screen, and exits with 0 if nothing needs attention', async () => {
    const { code, out } = await status();
    expect(code).toBe(0);
    expect(out.split('\n').length).toBeLessThan(24);
    for (const text of [
      'ready       yes',
      'keys        unsealed',
      'config      generation 3, loaded 2026-01-02T03:04:05.000Z, digest abababababab',
      'pay (pay/ on bao): healthy',
      'none parked or overdue',
      'none pending',
      '42 entries, no damage known; 2 live leases',
      'sink 0: 3 entries behind',
    ]) {
      expect(out).toContain(text);
    }
  });

  it.each<[string, Answers, string]>([
    [
      'a held store',
      { readReadiness: () => ({ ready: false, reasons: ['ERR_HELD'], held: [{ reason: 'x' }] }) },
      'NO: ERR_HELD',
    ],
    [
      'a reload that failed',
      {
        readConfiguration: () => ({
          ...IN_USE,
          failure: { at: '2026-01-02T03:05:00.000Z', detail: 'config.yaml:3:1: unknown key' },
        }),
      },
      'RELOAD FAILED 2026-01-02T03:05:00.000Z; the configuration before it is in use:\n            config.yaml:3:1: unknown key',
    ],
    [
      'a mount that is not healthy',
      { checkMount: () => ({ healthy: false, findings: ['no token'] }) },
      'NOT HEALTHY: no token; quaymaster mount check pay',
    ],
    [
      'a parked rotation',
      { listRotations: ({ query }) => ({ items: query?.['state'] ? [{ path: 'pay/db' }] : [] }) },
      'parked: pay/db; quaymaster rotate status pay/db',
    ],
    [
      'an irrevocable credential',
      {
        listRevocations: ({ query }) => ({ items: query?.['state'] === 'irrevocable' ? [{}] : [] }),
      },
      '1 irrevocable; quaymaster revocation ls',
    ],
    [
      'a stopped sink',
      { readStatus: () => brokerStatus({ sinks: [{ stopped: true, failing: false }] }) },
      'sink 0: STOPPED',
    ],
    [
      'a certificate that has expired',
      { readStatus: () => ({ ...brokerStatus(), certificates: [EXPIRED, EXPIRING] }) },
      'certificate listener.tls.certificateFile has expired: 2 d ago',
    ],
  ])('exits with 1 for %s', async (_what, change, text) => {
    const { code, out } = await status(change);
    expect(code).toBe(1);
    expect(out).toContain(text);
  });

  it('says what the roles of the caller do not show, instead of nothing', async () => {
    const { out, code } = await status({ listMounts: denied });
    expect(out).toContain('mounts      not shown: ERR_DENIED: this needs the role admin');
    expect(code).toBe(1);
  });

  it('asks a sealed broker once, and shows who sealed it', async () => {
    const detail = 'sealed by alice at 2026-01-05T09:00:00.000Z, reason: INC-7; restart it';
    const refuse = jest.fn((): never => {
      throw refusal(503, 'ERR_SEALED', { detail });
    });
    const { out } = await status({
      readReadiness: () => ({ ready: false, reasons: ['ERR_SEALED'] }),
      readStatus: refuse,
    });
    expect(out).toContain(`keys        not in memory\n            ERR_SEALED: ${detail}\n`);
    expect(refuse).toHaveBeenCalledTimes(1);
  });

  it.each(['ERR_STORE_UNAVAILABLE', 'starting'])(
    'asks a broker that answers %s only for its readiness',
    async (reason) => {
      const asked = (): never => {
        throw new Error('asked');
      };
      const { out, code } = await status({
        readReadiness: () => ({ ready: false, reasons: [reason] }),
        readConfiguration: asked,
        listMounts: asked,
        listRotations: asked,
        listRevocations: asked,
        readStatus: asked,
      });
      expect(out).toContain(
        `audit       not shown: not asked, because the broker answers ${reason}`,
      );
      expect(code).toBe(1);
    },
  );

  it('shows what came within two seconds, and exits with 1', async () => {
    const timeout = (): never => {
      throw Object.assign(new Error('the deadline passed'), { name: 'TimeoutError' });
    };
    const { out, code } = await status({ readStatus: timeout });
    expect(out).toContain('audit       not shown: no answer in time');
    expect(out).toContain('none parked or overdue');
    expect(code).toBe(1);
  });

  it('shows a clock that is ahead, and a store without a backup', async () => {
    const { out, code } = await status({
      readStatus: () => ({
        ...brokerStatus(),
        clockAheadSeconds: 86_400,
        backups: 'none',
        lastBackupAt: undefined,
      }),
    });
    expect(out).toContain('clock       AHEAD of the system clock by 86400 s');
    expect(out).toContain('backup      NONE; the configuration has no section "backup"');
    expect(code).toBe(1);
  });

  it('has a form for machines', async () => {
    const { out } = await status({}, 'json');
    expect(JSON.parse(out)).toMatchObject({ readiness: { ready: true }, audit: { value: {} } });
  });

  it('shows certificates to renew, and exits with 0 until one has expired', async () => {
    const valid = { ...EXPIRING, expiresAt: '2026-04-05T10:00:00.000Z', state: 'valid' } as const;
    const certificates = [EXPIRING, valid];
    const { code, out } = await status({ readStatus: () => ({ ...brokerStatus(), certificates }) });
    expect(code).toBe(0);
    expect(out).toContain(
      'certs       certificate connections.mesh.bundleFile expires soon: in 9 d\n',
    );
    const fine = { ...brokerStatus(), certificates: [valid] };
    expect((await status({ readStatus: () => fine })).out).toContain('1, none expires soon');
  });

  it('shows since when a sink is behind', async () => {
    const { out } = await status({
      readStatus: () => brokerStatus({ sinks: [{ ...LAGGING, lag: 9 }] }),
    });
    expect(out).toContain('sink 0: 9 entries behind (since 20 min ago)');
  });

  it('shows a failing sink, and exits with 0 because the broker retries', async () => {
    const { code, out } = await status({ readStatus: () => brokerStatus(FAILING) });
    expect(out).toContain('sink 0: 3 entries behind, FAILING; see the log of the broker');
    expect(code).toBe(0);
  });
});

describe('doctor', () => {
  it('finds nothing wrong with a sound installation', async () => {
    const { code, out } = await doctor([]);
    expect(code).toBe(0);
    expect(out).not.toContain('PROBLEM');
  });

  it('compares the time of the broker, not that of its system clock', async () => {
    const time = '2026-01-06T10:00:00.000Z';
    const { code, out } = await doctor([], {
      readStatus: () => ({ ...brokerStatus(), time, clockAheadSeconds: 86_400 }),
    });
    expect(code).toBe(1);
    expect(out).toContain(
      'PROBLEM  clock: the time of the broker differs from this machine by 86400 s',
    );
    expect(out).toContain('"A clock that was set back"');
  });

  it('reports that there is no backup, or an old one', async () => {
    const backup = async (state: object): Promise<string> =>
      (await doctor([], { readStatus: () => ({ ...brokerStatus(), ...state }) })).out;
    const never = { lastBackupAt: undefined };
    expect(await backup(never)).toContain('PROBLEM  backup: the broker made none');
    expect(await backup({ ...never, backups: 'none' })).toContain(
      'WARNING  backup: the broker made none',
    );
    const old = { lastBackupAt: '2026-01-01T10:00:00.000Z' };
    expect(await backup(old)).toContain('PROBLEM  backup: the newest');
  });

  it('says how many entries the witnesses cosigned, if there are witnesses', async () => {
    expect((await doctor([])).out).not.toContain('witness');
    const { code, out } = await doctor([], { readStatus: () => brokerStatus(WITNESSED) });
    expect(code).toBe(0);
    expect(out).toContain('ok       witnesses: enough of them cosigned 40 entries');
  });

  it.each<[string, Answers, string, string]>([
    [
      'a policy for all workloads',
      {
        listPolicies: () => ({
          items: [
            {
              name: 'wide',
              document: {
                spec: {
                  subjects: [{ namespaces: ['*'], serviceAccounts: ['*'] }],
                  rules: [{ effect: 'allow', paths: ['pay/**'], capabilities: ['read'] }],
                },
              },
            },
          ],
        }),
      },
      'policy "wide": read on pay/** for every workload of a cluster',
      'name namespaces and service accounts',
    ],
    [
      'the account of init',
      {
        listOperators: () => ({
          items: ['bootstrap', 'ann'].map((name) => ({
            name,
            document: { grants: [{ role: 'admin' }] },
          })),
        }),
      },
      'the account "bootstrap" of init still exists',
      'quaymaster operator rm bootstrap',
    ],
    [
      'a failing sink',
      { readStatus: () => brokerStatus(FAILING) },
      'PROBLEM  sink 0: fails, 3 entries behind',
      'the log of the broker has the reason',
    ],
    [
      'a sink that stopped',
      { readStatus: () => brokerStatus({ sinks: [{ lag: 1, stopped: true, failing: true }] }) },
      'PROBLEM  sink 0: stopped at an entry that does not verify, 1 entry behind',
      'docs/audit.md, "Sinks"',
    ],
    [
      'a sink that is behind for long',
      { readStatus: () => brokerStatus({ sinks: [{ ...LAGGING, lag: 9 }] }) },
      'PROBLEM  sink 0: 9 entries behind (since 20 min ago)',
      'check the receiver of the sink',
    ],
    [
      'a sink that is far behind',
      {
        readStatus: () =>
          brokerStatus({ sinks: [{ lag: 10_001, stopped: false, failing: false }] }),
      },
      'PROBLEM  sink 0: 10001 entries behind',
      'check the receiver of the sink',
    ],
    [
      'a certificate that expires soon',
      { readStatus: () => ({ ...brokerStatus(), certificates: [EXPIRING] }) },
      'WARNING  certificate connections.mesh.bundleFile: expires soon (in 9 d)',
      'renew the file that this setting names',
    ],
    [
      'a certificate that has expired',
      { readStatus: () => ({ ...brokerStatus(), certificates: [EXPIRED] }) },
      'PROBLEM  certificate listener.tls.certificateFile: has expired (2 d ago)',
      'renew the file that this setting names',
    ],
    [
      'a failed archive run',
      {
        readArchive: () => ({ place: 's3://audit', run: { state: 'failed', error: 'no bucket' } }),
      },
      'audit archive: s3://audit: the last run failed: no bucket',
      'A failed archive run',
    ],
    [
      'old entries that no run archived',
      { archiveAudit: () => ({ total: 200_000 }) },
      's3://audit: nothing is archived yet; 200000 entries are older than 90 days',
      'set audit.archive.intervalHours',
    ],
    [
      'a sink that keeps entries in the store',
      { archiveAudit: () => ({ total: 10, limitedBy: 'sink' }) },
      'a sink that lags keeps older ones',
      'docs/audit.md, "Sinks"',
    ],
    [
      'a witness that contradicts the log',
      {
        readStatus: () =>
          brokerStatus({ ...WITNESSED, witnesses: [A, { ...B, contradicts: true }] }),
      },
      'PROBLEM  witness "b": contradicts the log, or itself',
      'docs/audit.md, "Witnesses"',
    ],
    [
      'a witness that gives no cosignature',
      {
        readStatus: () => brokerStatus({ ...WITNESSED, witnesses: [{ ...A, failing: true }, B] }),
      },
      'WARNING  witness "a": gives no cosignature',
      'the log of the broker has the reason',
    ],
    [
      'entries that too few witnesses cosigned',
      { readStatus: () => brokerStatus({ ...WITNESSED, unwitnessedSeconds: 901 }) },
      'WARNING  witnesses: no checkpoint of the last 901 s has enough cosignatures',
      'docs/audit.md, "Witnesses"',
    ],
    [
      'no sink',
      { readStatus: () => brokerStatus({ sinks: [] }) },
      'no sink receives the entries',
      'set audit.sinks',
    ],
    [
      'a backend that refuses',
      { checkMount: () => ({ healthy: false, findings: ['403', 'grant read'] }) },
      'mount "pay": 403',
      'cure: grant read',
    ],
  ])('finds %s, and its cure', async (_what, change, text, cure) => {
    const { out } = await doctor([], change);
    expect(out).toContain(text);
    expect(out).toContain(cure);
  });

  it.each<[string, string, string, Answers, string]>([
    [
      'an unregistered cluster',
      'pay/db',
      'k8s://qa/s/w',
      {},
      'no cluster "qa" is registered; clusters: prod',
    ],
    [
      'a path without a mount',
      'nope/db',
      'k8s://prod/s/w',
      {},
      'no mount covers the path; mounts: pay',
    ],
    [
      'a denial',
      'pay/db',
      'k8s://prod/s/w',
      {
        explainDecision: () => ({ decision: { effect: 'deny' }, lines: ['no allow'], blocks: [] }),
      },
      'policies: no allow',
    ],
    [
      'a secret that does not exist',
      'pay/db',
      'k8s://prod/s/w',
      {
        listSecretVersions: () => {
          throw refusal(404, 'ERR_NOT_FOUND');
        },
      },
      '"pay/db" does not exist',
    ],
    [
      'a deleted secret',
      'pay/db',
      'k8s://prod/s/w',
      {
        listSecretVersions: () => ({ items: [{ state: 'deleted' }] }),
      },
      '"pay/db" was deleted',
    ],
    [
      'a block',
      'pay/db',
      'k8s://prod/s/w',
      {
        explainDecision: () => ({
          decision: { effect: 'allow' },
          lines: ['allowed'],
          blocks: [{ by: 'pod_ended' }],
        }),
      },
      'pod_ended',
    ],
  ])('names %s for a path, and exits with 1', async (_what, path, as, change, text) => {
    const { code, out } = await doctor([path], change, as);
    expect(code).toBe(1);
    expect(out).toContain(text);
    expect(out).toContain('cure: ');
  });

  it('exits with 0 for a path that works', async () => {
    expect((await doctor(['pay/db'], {}, 'k8s://prod/s/w')).code).toBe(0);
  });

  it('needs a path and an identity together', async () => {
    await expect(doctor(['pay/db'])).rejects.toThrow('a path needs --as');
    await expect(doctor(['pay/db'], {}, 'shop/web')).rejects.toThrow('--as must be k8s://');
  });
});

describe('config check --files', () => {
  const config = (root: string) => ({
    store: { type: 'sqlite', path: join(root, 'store', 'db') },
    kek: { type: 'local-file', path: join(root, 'kek') },
    listener: { tls: { certificateFile: join(root, 'crt'), keyFile: join(root, 'key') } },
    audit: {
      origin: 'quaymaster.test/files',
      logKeyFile: join(root, 'log.pem'),
      checkpointFile: join(root, 'checkpoint'),
    },
  });

  it('names each file that is missing or open to others, with its setting', async () => {
    const root = await fileTree({ key: 'x', kek: 'x', 'store/db': 'x' });
    await chmod(join(root, 'key'), 0o644);
    await chmod(join(root, 'kek'), 0o600);
    const found = await checkFiles(checkConfig(config(root), 'test'));
    expect(found.map(({ pointer, problem }) => `${pointer} ${problem}`)).toEqual([
      '/listener/tls/certificateFile does not exist',
      `/listener/tls/keyFile is open to other users (mode 0644); run: chmod 600 ${root}/key`,
      '/audit/logKeyFile does not exist; create it with: quaymaster init',
    ]);
  });

  it.each<[string, Partial<Record<'crt' | 'key', string>>, string]>([
    [
      'a certificate that has expired',
      { crt: EXPIRED_PAIR.cert, key: EXPIRED_PAIR.key },
      '/listener/tls/certificateFile has expired: renew the certificate',
    ],
    ['a key in place of the certificate', { crt: PAIR.key }, UNUSABLE],
    ['the certificate of another key', { crt: OTHER_PAIR.cert }, UNUSABLE],
  ])('names %s', async (_what, files, text) => {
    const root = await fileTree({ crt: PAIR.cert, key: PAIR.key, kek: 'x', ...files });
    const found = await checkFiles(checkConfig(config(root), 'test'));
    const own = found.filter(({ pointer }) => pointer.startsWith('/listener'));
    expect(own.map(({ pointer, problem }) => `${pointer} ${problem}`)).toEqual([
      expect.stringContaining(text),
    ]);
  });

  it('accepts a certificate with its key', async () => {
    const root = await fileTree({ crt: PAIR.cert, key: PAIR.key, kek: 'x' });
    const found = await checkFiles(checkConfig(config(root), 'test'));
    expect(found.filter(({ pointer }) => pointer.startsWith('/listener'))).toEqual([]);
  });

  it('expects no files of the injector, which runs elsewhere', async () => {
    const root = await fileTree({});
    const files = { certificateFile: join(root, 'absent'), keyFile: join(root, 'absent') };
    const injector = {
      listener: { clientCaFile: join(root, 'absent') },
      certificate: { files },
      image: 'registry.test/quaymaster:1',
      broker: { url: 'https://broker.test:8200', cluster: 'prod' },
    };
    const found = await checkFiles(checkConfig({ ...config(root), injector }, 'test'));
    expect(found.filter(({ pointer }) => pointer.startsWith('/injector'))).toEqual([]);
  });

  it('names the secret file of a source of alerts that authenticates nothing', async () => {
    const root = await fileTree({ a: 'short', b: `${'x'.repeat(16)}\nshort`, c: 'x'.repeat(31) });
    const source = (authenticate: object) => ({ format: 'generic', cluster: 'prod', authenticate });
    const sources = {
      a: source({ bearer: { secretFile: join(root, 'a') } }),
      b: source({ bearer: { secretFile: join(root, 'b') } }),
      c: source({ hmac: { secretFile: join(root, 'c') } }),
    };
    for (const name of ['a', 'b', 'c']) await chmod(join(root, name), 0o600);
    const found = await checkFiles(checkConfig({ ...config(root), alerts: { sources } }, 'test'));
    const own = found.filter(({ pointer }) => pointer.startsWith('/alerts'));
    expect(own.map(({ pointer, problem }) => `${pointer} ${problem}`)).toEqual([
      '/alerts/sources/a/authenticate/bearer/secretFile has no line of at least 16 characters: the broker refuses every alert of this source',
      '/alerts/sources/c/authenticate/hmac/secretFile has no line of at least 32 bytes: the broker refuses every alert of this source',
    ]);
  });

  it('opens the key-encryption key', async () => {
    const keys = await fileTree({});
    const kek = { type: 'local-file', path: join(keys, 'kek') };
    const settings = { ...config(await fileTree({ 'store/db': '' })), kek };
    const tree = await fileTree({ 'config.yaml': JSON.stringify(settings) });
    const find = async () =>
      (await configFindings(join(tree, 'config.yaml'), systemClock)).filter(
        ({ about }) => about === 'key-encryption key',
      );
    expect(await find()).toMatchObject([
      { state: 'problem', text: expect.stringMatching(/^ERR_SEALED: /) },
    ]);
    await createKeyFile({ path: kek.path });
    expect(await find()).toMatchObject([
      { state: 'ok', text: expect.stringMatching(/^local-file:\S+ wraps and unwraps$/) },
    ]);
    await writeFile(kek.path, 'quaymaster-kek-v1\nnonsense\n');
    expect(await find()).toMatchObject([{ state: 'problem' }]);
  });

  it('includes what a core file would have', () => {
    expect(coreFindings(undefined)).toEqual([]);
    const pattern = '|/lib/systemd/systemd-coredump %P';
    expect(coreFindings({ pattern, haveMemory: false })).toMatchObject([{ state: 'ok' }]);
    expect(coreFindings({ pattern, haveMemory: true })).toMatchObject([
      {
        state: 'warning',
        text: `core_pattern of this machine is "${pattern}"; after a crash they have its keys`,
        cure: expect.stringContaining('--core=1') as unknown,
      },
    ]);
  });

  it('fails with all of them, and without --files checks the text only', async () => {
    const root = await fileTree({});
    const tree = await fileTree({ 'config.yaml': JSON.stringify(config(root)) });
    const file = join(tree, 'config.yaml');
    expect(await runConfigCheck(file, false)).toBe(`${file} is valid`);
    await expect(runConfigCheck(file, true)).rejects.toThrow(
      `/kek/path: ${root}/kek does not exist; create it with: quaymaster init`,
    );
  });
});
