import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import {
  ALERT_FORMATS,
  type Alert,
  type AlertFormat,
} from '../../../../src/domain/alerts/alert.ts';
import { readAlerts } from '../../../../src/domain/alerts/read-alerts.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';

const UID = '3f1b7c5e-5a5b-4f5e-8a0d-1d2e3f4a5b6c';
const DIGEST = `sha256:${'a'.repeat(64)}`;
const ID = '0123456789abcdef'.repeat(4);
const TIME = '2026-11-27T12:00:00.123456789Z';

/** Recorded from Falco 0.41 behind falcosidekick 2.31, shortened. */
const FALCO = {
  uuid: '0c3e4f1e-5a5b-4f5e-8a0d-000000000001',
  output: '12:00:00 Notice A shell was spawned in a container',
  priority: 'Notice',
  rule: 'Terminal shell in container',
  time: TIME,
  source: 'syscall',
  hostname: 'node-1',
  tags: ['T1059', 'container', 'mitre_execution', 'shell'],
  output_fields: {
    'container.id': ID.slice(0, 12),
    'container.image.digest': DIGEST,
    'evt.time': 1_764_244_800_123_456_800,
    'k8s.ns.name': 'shop',
    'k8s.pod.name': 'web-0',
    'k8s.pod.uid': UID,
    'proc.name': 'bash',
  },
};
const SYSDIG = {
  id: '17dec715376910362c8c3f62a4ceda2e',
  type: 'policy',
  timestamp: 1_764_244_800_123_456_800,
  timestampRFC3339Nano: TIME,
  severity: 4,
  name: 'Suspicious Container Activity',
  containerId: ID.slice(0, 12),
  content: { policyId: 1, ruleName: 'Read sensitive file', ruleTags: ['MITRE_T1552'], fields: {} },
  labels: {
    'container.image.digest': DIGEST,
    'kubernetes.cluster.name': 'prod',
    'kubernetes.namespace.name': 'shop',
    'kubernetes.node.name': 'node-1',
    'kubernetes.pod.name': 'web-0',
  },
};
const TRACEE = {
  timestamp: { seconds: 1_764_244_800, nanos: 123_456_789 },
  id: 6018,
  name: 'fileless_execution',
  policies: { matched: ['default'] },
  workload: {
    container: { id: ID, image: { repo_digests: [`registry.test/shop/web@${DIGEST}`] } },
    k8s: { pod: { name: 'web-0', uid: UID }, namespace: { name: 'shop' } },
  },
  threat: { severity: 3, mitre: { technique: { id: 'T1620' } } },
};
const TETRAGON = {
  process_kprobe: {
    process: {
      exec_id: 'a2luZC0x',
      pod: {
        namespace: 'shop',
        name: 'web-0',
        uid: UID,
        container: { id: `containerd://${ID}`, image: { id: `registry.test/shop/web@${DIGEST}` } },
      },
    },
    policy_name: 'read-shadow',
    tags: ['T1003'],
  },
  node_name: 'node-1',
  time: TIME,
};
const AUDIT = {
  kind: 'Event',
  apiVersion: 'audit.k8s.io/v1',
  auditID: '7f2b1f9e-0000-4000-8000-000000000001',
  stage: 'ResponseStarted',
  verb: 'create',
  user: { username: 'alice' },
  objectRef: { resource: 'pods', namespace: 'shop', name: 'web-0', subresource: 'exec' },
  responseStatus: { code: 101 },
  requestReceivedTimestamp: '2026-11-27T12:00:00.123456Z',
};
const GENERIC = {
  id: 'alert-1',
  time: TIME,
  rule: 'crypto miner',
  priority: 'critical',
  tags: ['T1496'],
  node: 'node-1',
  container: { id: ID, imageDigest: DIGEST },
  pod: { namespace: 'shop', name: 'web-0', uid: UID },
};
const SAMPLES: Readonly<Record<AlertFormat, object>> = {
  falcosidekick: FALCO,
  falco: FALCO,
  sysdig: SYSDIG,
  tracee: TRACEE,
  tetragon: TETRAGON,
  'kubernetes-audit': AUDIT,
  generic: GENERIC,
};

function throughKubelet(path: string): object {
  const objectRef = { resource: 'nodes', name: 'node-1', subresource: 'proxy' };
  return { ...AUDIT, requestURI: `/api/v1/nodes/node-1/proxy${path}`, objectRef };
}

function only(format: AlertFormat, body: object = SAMPLES[format]): Alert {
  const [alert, ...more] = readAlerts(format, body);
  expect(more).toEqual([]);
  return alert as Alert;
}

function problemsOf(format: AlertFormat, body: unknown): unknown {
  try {
    return readAlerts(format, body);
  } catch (error) {
    return error instanceof BrokerError ? [error.code, error.problems] : error;
  }
}

const millis = Date.parse('2026-11-27T12:00:00.123Z');
const everything = {
  time: millis,
  container: { id: ID, imageDigest: DIGEST },
  pod: { namespace: 'shop', name: 'web-0', uid: UID },
  isTest: false,
};

describe('the normal form', () => {
  it.each(['falcosidekick', 'falco'] as const)('is read from the format %s', (format) => {
    expect(only(format)).toEqual({
      ...everything,
      rule: 'Terminal shell in container',
      tags: ['T1059', 'container', 'mitre_execution', 'shell'],
      priority: 'notice',
      instance: TIME,
      node: 'node-1',
      container: { id: ID.slice(0, 12), imageDigest: DIGEST },
    });
  });

  it('is read from Sysdig', () => {
    expect(only('sysdig')).toEqual({
      ...everything,
      rule: 'Read sensitive file',
      tags: ['MITRE_T1552'],
      priority: 'warning',
      instance: `${SYSDIG.id} ${TIME}`,
      cluster: 'prod',
      node: 'node-1',
      container: { id: ID.slice(0, 12), imageDigest: DIGEST },
      pod: { namespace: 'shop', name: 'web-0', uid: undefined },
    });
  });

  it('has the labels of the container runtime if Sysdig has none of the API server', () => {
    const labels = {
      'kubernetes.cluster.name': 'prod',
      'container.label.io.kubernetes.pod.namespace': 'shop',
      'container.label.io.kubernetes.pod.name': 'web-0',
      'container.label.io.kubernetes.pod.uid': UID,
    };
    const { pod } = only('sysdig', { ...SYSDIG, labels });
    expect(pod).toEqual({ namespace: 'shop', name: 'web-0', uid: UID });
  });

  it('is read from Tracee, also with the pod where its page shows it', () => {
    const alert = only('tracee');
    expect(alert).toMatchObject({ ...everything, time: 1_764_244_800_123 });
    expect(alert).toMatchObject({
      rule: 'fileless_execution',
      priority: 'error',
      tags: ['default', 'T1620'],
    });
    const { container, k8s } = TRACEE.workload;
    const workload = { container, pod: k8s.pod, namespace: k8s.namespace };
    expect(only('tracee', { ...TRACEE, workload }).pod).toEqual(everything.pod);
    expect(only('tracee', { ...TRACEE, threat: { severity: 'CRITICAL' } }).priority).toBe(
      'critical',
    );
  });

  it('has the time of Tracee, whose JSON has the seconds as a text', () => {
    const timestamp = { seconds: '1764244800', nanos: 123_456_789 };
    expect(only('tracee', { ...TRACEE, timestamp })).toMatchObject({
      time: 1_764_244_800_123,
      instance: '1764244800.123456789',
    });
    const odd = { seconds: '12:00', nanos: 0 };
    expect(only('tracee', { ...TRACEE, timestamp: odd }).time).toBeUndefined();
  });

  it.each([
    ['falco', { ...FALCO, output_fields: { ...FALCO.output_fields, 'k8s.cluster.name': 'eu-1' } }],
    ['sysdig', { ...SYSDIG, labels: { 'kubernetes.cluster.name': 'eu-1' } }],
    ['tetragon', { ...TETRAGON, cluster_name: 'eu-1' }],
    ['generic', { ...GENERIC, cluster: 'eu-1' }],
  ] as const)('has the name of the cluster from the format %s', (format, body) => {
    expect(only(format, body).cluster).toBe('eu-1');
  });

  it('has the time of an audited request beside its id, which the client may choose', () => {
    const { requestReceivedTimestamp } = AUDIT;
    expect(only('kubernetes-audit').instance).toBe(`${AUDIT.auditID} ${requestReceivedTimestamp}`);
  });

  it('is read from Tetragon', () => {
    expect(only('tetragon')).toMatchObject({
      ...everything,
      rule: 'read-shadow',
      priority: 'warning',
      tags: ['T1003'],
      node: 'node-1',
    });
    const { process_kprobe: event, ...rest } = TETRAGON;
    for (const type of ['process_tracepoint', 'process_uprobe', 'process_lsm', 'process_usdt'])
      expect(only('tetragon', { ...rest, [type]: event })).toEqual(only('tetragon'));
  });

  it('has the target of requests that open a way into a pod', () => {
    expect(only('kubernetes-audit')).toMatchObject({
      rule: 'pod_exec',
      tags: ['T1609'],
      priority: 'warning',
      time: millis,
      pod: { namespace: 'shop', name: 'web-0', uid: undefined },
    });
    const ephemeral = { ...AUDIT.objectRef, subresource: 'ephemeralcontainers' };
    const list = {
      kind: 'EventList',
      items: [
        AUDIT,
        { ...AUDIT, objectRef: ephemeral, verb: 'patch', responseStatus: { code: 200 } },
      ],
    };
    expect(readAlerts('kubernetes-audit', list).map(({ rule }) => rule)).toEqual([
      'pod_exec',
      'pod_ephemeral_container',
    ]);
  });

  it('has the target of an exec over a WebSocket, whose verb is get', () => {
    expect(only('kubernetes-audit', { ...AUDIT, verb: 'get' })).toMatchObject({ rule: 'pod_exec' });
  });

  it.each([
    ['/exec/shop/web-0/web?command=sh', 'pod_exec'],
    ['/exec/shop/web-0/an-untrue-uid/web?command=sh', 'pod_exec'],
    ['/run/shop/web-0/web?cmd=id', 'pod_exec'],
    ['/attach/shop/web-0/web', 'pod_attach'],
    ['//%65xec%2fshop/./web-0/web', 'pod_exec'],
    ['/metrics/%2e%2e/exec/shop/web-0/web', 'pod_exec'],
    ['/%ff/../../exec/shop/web-0/web', 'pod_exec'],
  ])('has the target of the request %s to a kubelet', (path, rule) => {
    expect(only('kubernetes-audit', throughKubelet(path))).toMatchObject({
      rule,
      node: 'node-1',
      pod: { namespace: 'shop', name: 'web-0', uid: undefined },
    });
  });

  it('has no target if the path of a request to a kubelet is too long, or absent', () => {
    const uris = [`/${'./'.repeat(300)}exec/shop/web-0/web`, `/${'<'.repeat(600)}/../exec/a/b/c`];
    for (const event of [
      ...uris.map(throughKubelet),
      { ...throughKubelet(''), requestURI: undefined },
    ])
      expect(only('kubernetes-audit', event)).toMatchObject({
        rule: 'pod_exec',
        node: 'node-1',
        pod: { namespace: undefined, name: undefined },
      });
  });

  it('is read from the generic form', () => {
    expect(only('generic')).toMatchObject({
      ...everything,
      rule: 'crypto miner',
      priority: 'critical',
    });
  });
});

describe('odd facts', () => {
  it.each([null, '', '<NA>', '\u003cNA\u003e', 7, {}])('%j is an unknown fact', (unknown) => {
    const fields = { 'k8s.pod.name': unknown, 'k8s.ns.name': unknown, 'k8s.pod.uid': unknown };
    const alert = only('falco', { ...FALCO, output_fields: fields });
    expect(alert.pod).toEqual({ namespace: undefined, name: undefined, uid: undefined });
  });

  it('a process of the host is in no container', () => {
    const fields = { ...FALCO.output_fields, 'container.id': 'host' };
    expect(only('falco', { ...FALCO, output_fields: fields }).container.id).toBeUndefined();
  });

  it('an event of the audit plugin of Falco names its target', () => {
    const fields = {
      'ka.target.resource': 'pods',
      'ka.target.name': 'web-0',
      'ka.target.namespace': 'shop',
      'ka.user.name': 'alice',
    };
    const alert = only('falco', { ...FALCO, source: 'k8s_audit', output_fields: fields });
    expect(alert.pod).toMatchObject({ namespace: 'shop', name: 'web-0' });
  });

  it('requests of the program falcosidekick are read: its test, and a shell', () => {
    const { requests } = JSON.parse(
      readFileSync('test/vectors/falcosidekick-requests.json', 'utf8'),
    ) as { readonly requests: readonly { readonly body: string }[] };
    const alerts = requests.map(({ body }) => only('falcosidekick', JSON.parse(body)));
    expect(alerts).toMatchObject([
      { isTest: true, priority: 'debug', node: 'falcosidekick', pod: { name: undefined } },
      {
        isTest: false,
        rule: 'Terminal shell in container',
        priority: 'notice',
        node: 'node-1',
        container: { id: undefined },
        pod: { namespace: 'shop', name: 'web-0', uid: 'uid-1' },
      },
    ]);
  });

  it('the test of falcosidekick is read as a test', () => {
    const test = { ...FALCO, rule: 'Test rule', source: 'internal', priority: 'Debug' };
    expect(only('falcosidekick', test)).toMatchObject({ isTest: true, priority: 'debug' });
  });

  it('a rule cannot forge lines, and long texts are cut', () => {
    const alert = only('falco', { ...FALCO, rule: `a\r\n${'b'.repeat(1_000)}` });
    expect(alert.rule).toHaveLength(256);
    expect(alert.rule).toMatch(/^a b+$/);
  });

  it('requests that failed or open no way into a pod are left out', () => {
    const events = [
      { ...AUDIT, responseStatus: { code: 403 } },
      { ...AUDIT, stage: 'RequestReceived' },
      { ...AUDIT, objectRef: { ...AUDIT.objectRef, subresource: 'log' } },
      { ...AUDIT, objectRef: { ...AUDIT.objectRef, resource: 'services' } },
      throughKubelet('/metrics/cadvisor?exec/shop/web-0/web'),
      throughKubelet('/containerLogs/shop/exec/web'),
      { ...throughKubelet('/exec/shop/web-0/web'), verb: 'delete' },
      { ...throughKubelet('/exec/shop/web-0/web'), responseStatus: { code: 404 } },
      // kubectl reads the pod in this way before it adds a container.
      {
        ...AUDIT,
        verb: 'get',
        responseStatus: { code: 200 },
        objectRef: { ...AUDIT.objectRef, subresource: 'ephemeralcontainers' },
      },
    ];
    expect(readAlerts('kubernetes-audit', { kind: 'EventList', items: events })).toEqual([]);
  });
});

describe('refused alerts', () => {
  it.each([
    ['falco', { ...FALCO, rule: undefined }, '/rule'],
    ['falco', { ...FALCO, priority: 'High' }, '/priority'],
    ['sysdig', { ...SYSDIG, severity: 9 }, '/severity'],
    ['tetragon', { time: TIME }, ''],
    ['kubernetes-audit', { kind: 'Pod' }, '/kind'],
    ['generic', { ...GENERIC, time: 'yesterday' }, '/time'],
    ['generic', [], '/rule'],
  ] as const)('name the place of the fault: %s', (format, body, pointer) => {
    expect(problemsOf(format, body)).toEqual([
      'ERR_BODY_INVALID',
      [{ pointer, message: expect.any(String) }],
    ]);
  });
});

describe('fuzz', () => {
  const ODD = [
    null,
    true,
    0,
    -1,
    2 ** 60,
    '',
    '<NA>',
    'x'.repeat(5_000),
    '\u0000\u001b[2J',
    [],
    {},
    [[]],
  ];
  const KEYS = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'rule', 'items', 'at'];
  let seed = 20_261_127;
  /** xorshift32 (Marsaglia 2003): the same bodies in each run. */
  const next = (bound: number): number => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return (seed >>> 0) % bound;
  };
  const pick = <T>(from: readonly T[]): T => from[next(from.length)] as T;

  function mutated(value: unknown, depth: number): unknown {
    if (depth > 0 && next(12) === 0) return pick(ODD);
    if (Array.isArray(value)) return value.map((item) => mutated(item, depth + 1));
    if (typeof value !== 'object' || value === null) return value;
    const changed = Object.entries(value).map(([name, item]) => [name, mutated(item, depth + 1)]);
    if (next(4) === 0) changed.push([pick(KEYS), pick(ODD)]);
    if (next(6) === 0) changed.splice(next(changed.length + 1), 1);
    // JSON.parse makes own members of any name, as a body has them.
    return JSON.parse(
      `{${changed.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(',')}}`,
    );
  }

  it.each(ALERT_FORMATS)(
    'gives alerts with bounded texts, or one refusal, for odd bodies of %s',
    (format) => {
      const alerts: Alert[] = [];
      for (let round = 0; round < 1_000; round += 1) {
        const found = problemsOf(format, mutated(SAMPLES[format], 0)) as readonly unknown[];
        if (found[0] !== 'ERR_BODY_INVALID') alerts.push(...(found as readonly Alert[]));
      }
      expect(alerts.length).toBeGreaterThan(100);
      const long = alerts.filter(({ rule, tags, pod, node }) =>
        [rule, ...tags, pod.name, pod.uid, node].some((text = '') => text.length > 256),
      );
      expect(long).toEqual([]);
      const odd = alerts.filter(
        ({ container, time = 0 }) =>
          !/^[0-9a-f]{12,64}$/.test(container.id ?? ID) || typeof time !== 'number',
      );
      expect(odd).toEqual([]);
      expect(Object.keys(Object.prototype)).toEqual([]);
    },
  );
});
