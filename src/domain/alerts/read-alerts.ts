import type { Alert, AlertFormat, Priority } from './alert.ts';
import { AlertNode, required } from './alert-node.ts';
import { auditAlerts } from './audit-events.ts';

type Reader = (body: AlertNode) => readonly Alert[];

/**
 * The alerts of one request. Members that the broker does not use are ignored: sources add some with every release.
 * @throws ERR_BODY_INVALID if the body does not have this format.
 */
export function readAlerts(format: AlertFormat, body: unknown): readonly Alert[] {
  return READERS[format](new AlertNode(body));
}

/** JSON of Falco. falcosidekick sends the same members and adds its own. */
const falco: Reader = (body) => {
  const fields = body.at('output_fields');
  const field = (name: string): AlertNode => fields.at(name);
  const rule = ruleOf(body.at('rule'), '/rule');
  // An event of the plugin for the Kubernetes audit log names the target of the request, not a container.
  const isOfAudit = field('ka.target.resource').text() === 'pods';
  const target = (name: string): string | undefined =>
    isOfAudit ? field(`ka.target.${name}`).text() : undefined;
  return [
    {
      rule,
      tags: body.at('tags').texts(),
      priority: required(body.at('priority').priority(), '/priority', 'is not a priority of Falco'),
      time: body.at('time').instant(),
      instance: body.at('time').text() ?? '',
      cluster: field('k8s.cluster.name').text(),
      node: body.at('hostname').text(),
      container: {
        id: field('container.full_id').containerId() ?? field('container.id').containerId(),
        imageDigest: field('container.image.digest').digest(),
      },
      pod: {
        namespace: field('k8s.ns.name').text() ?? target('namespace'),
        name: field('k8s.pod.name').text() ?? target('name'),
        uid: field('k8s.pod.uid').text(),
      },
      isTest: rule === 'Test rule' && body.at('source').text() === 'internal',
    },
  ];
};

/** The numbers of Sysdig are the levels of syslog. */
const SYSDIG_PRIORITIES: readonly Priority[] = [
  'emergency',
  'alert',
  'critical',
  'error',
  'warning',
  'notice',
  'informational',
  'debug',
];

const sysdig: Reader = (body) => {
  const content = body.at('content');
  const label = (name: string): AlertNode => body.at('labels', `kubernetes.${name}`);
  // The labels of the container runtime, if the agent has none of the API server.
  const ofRuntime = (name: string): string | undefined =>
    body.at('labels', `container.label.io.kubernetes.pod.${name}`).text();
  const nanoseconds = body.at('timestamp').number();
  const id = body.at('id').text() ?? '';
  return [
    {
      rule: ruleOf(new AlertNode(content.at('ruleName').text() ?? body.at('name').text()), '/name'),
      tags: content.at('ruleTags').texts(),
      priority: required(
        SYSDIG_PRIORITIES[body.at('severity').number() ?? -1],
        '/severity',
        'must be a number from 0 to 7',
      ),
      time: body.at('timestampRFC3339Nano').instant() ?? (nanoseconds && nanoseconds / 1e6),
      instance: `${id} ${body.at('timestampRFC3339Nano').text() ?? nanoseconds ?? ''}`,
      cluster: label('cluster.name').text(),
      node: label('node.name').text(),
      container: {
        id:
          body.at('containerId').containerId() ??
          content.at('fields', 'container.id').containerId(),
        imageDigest: body.at('labels', 'container.image.digest').digest(),
      },
      pod: {
        namespace: label('namespace.name').text() ?? ofRuntime('namespace'),
        name: label('pod.name').text() ?? ofRuntime('name'),
        uid: label('pod.uid').text() ?? ofRuntime('uid'),
      },
      isTest: body.at('type').text() === 'test',
    },
  ];
};

const TRACEE_PRIORITIES: readonly Priority[] = [
  'informational',
  'notice',
  'warning',
  'error',
  'critical',
];
const TRACEE_WORDS: readonly string[] = ['INFO', 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL'];

/** The page of Tracee shows `workload.pod`, its protocol has `workload.k8s.pod`: both are read. */
const tracee: Reader = (body) => {
  const workload = body.at('workload');
  const container = workload.at('container');
  const [image] = container.at('image', 'repo_digests').items();
  const technique = body.at('threat', 'mitre', 'technique', 'id').text() ?? '';
  return [
    {
      rule: ruleOf(body.at('name'), '/name'),
      tags: [...body.at('policies', 'matched').texts(), ...technique.split(' ').filter(Boolean)],
      priority: traceePriority(body.at('threat', 'severity')),
      ...traceeTime(body.at('timestamp')),
      node: undefined,
      container: { id: container.at('id').containerId(), imageDigest: image?.digest() },
      pod: traceePod(workload),
      isTest: false,
    },
  ];
};

function traceePriority(severity: AlertNode): Priority {
  const level = severity.number() ?? TRACEE_WORDS.indexOf(severity.text() ?? 'INFO');
  return TRACEE_PRIORITIES[level] ?? 'critical';
}

function traceeTime(timestamp: AlertNode): Pick<Alert, 'time' | 'instance'> {
  const text = timestamp.text();
  if (text !== undefined) return { time: timestamp.instant(), instance: text };
  const seconds = timestamp.at('seconds').integer();
  const nanos = timestamp.at('nanos').integer() ?? 0;
  const time = seconds && seconds * 1_000 + Math.floor(nanos / 1e6);
  return { time, instance: `${seconds ?? ''}.${nanos}` };
}

function traceePod(workload: AlertNode): Alert['pod'] {
  const pod = workload.at('pod');
  const ofKubernetes = workload.at('k8s');
  const fact = (name: string): string | undefined =>
    ofKubernetes.at('pod', name).text() ?? pod.at(name).text();
  const namespace =
    ofKubernetes.at('namespace', 'name').text() ??
    workload.at('namespace', 'name').text() ??
    pod.at('namespace').text();
  return { namespace, name: fact('name'), uid: fact('uid') };
}

const TETRAGON_EVENTS = [
  'process_kprobe',
  'process_tracepoint',
  'process_uprobe',
  'process_lsm',
  'process_usdt',
  'process_loader',
  'process_exec',
] as const;

/** Tetragon gives no priority: an event of a tracing policy is a warning, any other a notice. */
const tetragon: Reader = (body) => {
  const type = required(
    TETRAGON_EVENTS.find((each) => body.at(each).at('process').value !== undefined),
    '',
    `must have one of ${TETRAGON_EVENTS.join(', ')}`,
  );
  const event = body.at(type);
  const pod = event.at('process', 'pod');
  const policy = event.at('policy_name').text();
  return [
    {
      rule: policy ?? type,
      tags: event.at('tags').texts(),
      priority: policy === undefined ? 'notice' : 'warning',
      time: body.at('time').instant(),
      instance: `${body.at('time').text() ?? ''} ${event.at('process', 'exec_id').text() ?? ''}`,
      cluster: body.at('cluster_name').text(),
      node: body.at('node_name').text(),
      container: {
        id: pod.at('container', 'id').containerId(),
        imageDigest: pod.at('container', 'image', 'id').digest(),
      },
      pod: {
        namespace: pod.at('namespace').text(),
        name: pod.at('name').text(),
        uid: pod.at('uid').text(),
      },
      isTest: false,
    },
  ];
};

/** The form of internals/spec/alert-v1.md. */
const generic: Reader = (body) => [
  {
    rule: ruleOf(body.at('rule'), '/rule'),
    tags: body.at('tags').texts(),
    priority: required(body.at('priority').priority(), '/priority', 'is not a level of syslog'),
    time: required(
      body.at('time').instant(),
      '/time',
      'is not an instant such as 2026-11-27T12:00:00Z',
    ),
    instance: `${body.at('id').text() ?? ''} ${body.at('time').text() ?? ''}`,
    cluster: body.at('cluster').text(),
    node: body.at('node').text(),
    container: {
      id: body.at('container', 'id').containerId(),
      imageDigest: body.at('container', 'imageDigest').digest(),
    },
    pod: {
      namespace: body.at('pod', 'namespace').text(),
      name: body.at('pod', 'name').text(),
      uid: body.at('pod', 'uid').text(),
    },
    isTest: body.at('test').value === true,
  },
];

function ruleOf(node: AlertNode, pointer: string): string {
  return required(node.text(), pointer, 'must name the rule');
}

const READERS: Readonly<Record<AlertFormat, Reader>> = {
  falcosidekick: falco,
  falco,
  sysdig,
  tracee,
  tetragon,
  'kubernetes-audit': auditAlerts,
  generic,
};
