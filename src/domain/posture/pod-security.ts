import { containersOf } from './pod-node.ts';
import type { JsonNode } from '../text/json-node.ts';

/**
 * The Pod Security Standards (https://kubernetes.io/docs/concepts/security/pod-security-standards/) in all versions up to Kubernetes 1.37,
 * evaluated on a pod as it is: exemptions of a namespace or user do not apply. `null` values and absent values are the same.
 */
export type PodSecurityLevel = 'baseline' | 'restricted';

/** The minor version of Kubernetes whose rules apply: 34 for v1.34. */
export type MinorVersion = number;
export const NEWEST_MINOR: MinorVersion = 37;

export interface PodFinding {
  /** The name of the check, such as `hostPorts`. */
  readonly check: string;
  /** JSON pointer to the value in the pod. */
  readonly pointer: string;
  /** Requirement that the value violates, such as "must be false". */
  readonly must: string;
}

interface Requirement {
  readonly must: string;
  readonly isMet: (node: JsonNode) => boolean;
}
type Failure = Pick<PodFinding, 'pointer' | 'must'>;
type Rule = (pod: JsonNode) => readonly Failure[];

interface Check {
  readonly level: PodSecurityLevel;
  /** The rule of each minor version that changed it, in ascending order. Before the first, the check does not exist. */
  readonly since: readonly (readonly [MinorVersion, Rule])[];
  /** The baseline check that this check of `restricted` replaces, from its first version on. */
  readonly replaces?: string;
}

const unsetOr = (...allowed: readonly (string | number | boolean)[]): Requirement => ({
  must: `must be unset or ${allowed.map((value) => JSON.stringify(value)).join(' or ')}`,
  isMet: ({ value }) => value === undefined || allowed.includes(value as string),
});
const unset: Requirement = { must: 'must be unset', isMet: ({ isAbsent }) => isAbsent };
const emptyText: Requirement = {
  must: 'must be empty',
  isMet: ({ value }) => value === undefined || value === '',
};
const isTrue: Requirement = { must: 'must be true', isMet: ({ value }) => value === true };
const isFalse: Requirement = { must: 'must be false', isMet: ({ value }) => value === false };
const otherThanRoot: Requirement = {
  must: 'must not be 0',
  isMet: ({ value }) => value === undefined || (Number.isInteger(value) && value !== 0),
};
const oneOf = (allowed: readonly string[]): Requirement => ({
  must: `must be one of ${allowed.join(', ')}`,
  isMet: ({ value }) => allowed.includes(value as string),
});
const startingWith = (exact: readonly string[], prefix: string): Requirement => ({
  must: `must be ${exact.join(' or ')}, or begin with ${prefix}`,
  isMet: ({ value }) =>
    exact.includes(value as string) || (typeof value === 'string' && value.startsWith(prefix)),
});

function failures(nodes: readonly JsonNode[], requirement: Requirement): readonly Failure[] {
  return nodes
    .filter((node) => !requirement.isMet(node))
    .map(({ pointer }) => ({ pointer, must: requirement.must }));
}

/** The values at one place of every container. */
const inContainers = (pod: JsonNode, ...names: readonly string[]): readonly JsonNode[] =>
  containersOf(pod).map((container) => container.at(...names));

/** The values at one place of the security contexts of the pod and of every container. */
const inContexts = (pod: JsonNode, ...names: readonly string[]): readonly JsonNode[] => [
  pod.at('spec', 'securityContext', ...names),
  ...inContainers(pod, 'securityContext', ...names),
];

const present = (nodes: readonly JsonNode[]): readonly JsonNode[] =>
  nodes.filter(({ isAbsent }) => !isAbsent);

const isWindows = (pod: JsonNode): boolean => pod.at('spec', 'os', 'name').value === 'windows';
const isInUserNamespace = (pod: JsonNode): boolean => pod.at('spec', 'hostUsers').value === false;
const unless =
  (isExempt: (pod: JsonNode) => boolean, rule: Rule): Rule =>
  (pod) =>
    isExempt(pod) ? [] : rule(pod);

/** Seccomp and AppArmor; a profile without a type is refused. */
const CONFINED: Requirement = {
  must: 'must have the type RuntimeDefault or Localhost',
  isMet: (profile) => ['RuntimeDefault', 'Localhost'].includes(profile.at('type').text() ?? ''),
};

const BASELINE_CAPABILITIES = oneOf([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

const addedCapabilities = (pod: JsonNode): readonly JsonNode[] =>
  inContainers(pod, 'securityContext', 'capabilities', 'add').flatMap((list) => list.items());

const ONLY_NET_BIND_SERVICE = oneOf(['NET_BIND_SERVICE']);
const DROPS_ALL: Requirement = {
  must: 'must contain "ALL"',
  isMet: (list) => list.items().some(({ value }) => value === 'ALL'),
};
const restrictedCapabilities: Rule = (pod) => [
  ...failures(inContainers(pod, 'securityContext', 'capabilities', 'drop'), DROPS_ALL),
  ...failures(addedCapabilities(pod), ONLY_NET_BIND_SERVICE),
];

const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';
const APPARMOR_VALUE = startingWith(['', 'runtime/default'], 'localhost/');
const appArmor: Rule = (pod) => {
  const annotations = pod.at('metadata', 'annotations').members();
  const profiles = annotations.filter(([name]) => name.startsWith(APPARMOR_ANNOTATION));
  return [
    ...failures(present(inContexts(pod, 'appArmorProfile')), CONFINED),
    ...failures(
      profiles.map(([, value]) => value),
      APPARMOR_VALUE,
    ),
  ];
};

const SECCOMP_VALUE = startingWith(['runtime/default', 'docker/default'], 'localhost/');
/** Annotations of the pod and of its containers that name the profiles before Kubernetes 1.19. */
const seccompAnnotations: Rule = (pod) => {
  const names = [
    'seccomp.security.alpha.kubernetes.io/pod',
    ...inContainers(pod, 'name').map(
      (name) => `container.seccomp.security.alpha.kubernetes.io/${name.text() ?? ''}`,
    ),
  ];
  const values = names.map((name) => pod.at('metadata', 'annotations', name));
  return failures(present(values), SECCOMP_VALUE);
};

/** A setting of the pod applies to each container without a setting of its own. */
function inheritedByContainers(
  pod: JsonNode,
  name: string,
  requirement: Requirement,
): readonly Failure[] {
  const own = pod.at('spec', 'securityContext', name);
  const containers = inContainers(pod, 'securityContext', name);
  const isInherited = !own.isAbsent && requirement.isMet(own);
  return failures(
    [...present([own]), ...containers.filter(({ isAbsent }) => !(isAbsent && isInherited))],
    requirement,
  );
}

const restrictedSeccomp: Rule = (pod) => inheritedByContainers(pod, 'seccompProfile', CONFINED);
const nonRoot: Rule = (pod) => inheritedByContainers(pod, 'runAsNonRoot', isTrue);
const nonRootUser: Rule = (pod) => failures(inContexts(pod, 'runAsUser'), otherThanRoot);
const noEscalation: Rule = (pod) =>
  failures(inContainers(pod, 'securityContext', 'allowPrivilegeEscalation'), isFalse);
const maskedProc: Rule = (pod) =>
  failures(inContainers(pod, 'securityContext', 'procMount'), unsetOr('Default'));

const HOST_FIELDS = [
  ...['livenessProbe', 'readinessProbe', 'startupProbe'].map((probe) => [probe]),
  ...['postStart', 'preStop'].map((handler) => ['lifecycle', handler]),
].flatMap((action) => ['httpGet', 'tcpSocket'].map((kind) => [...action, kind, 'host']));

const SELINUX_TYPES = ['', 'container_t', 'container_init_t', 'container_kvm_t'];
const selinux =
  (...more: readonly string[]): Rule =>
  (pod) => [
    ...failures(inContexts(pod, 'seLinuxOptions', 'type'), unsetOr(...SELINUX_TYPES, ...more)),
    ...failures(inContexts(pod, 'seLinuxOptions', 'user'), emptyText),
    ...failures(inContexts(pod, 'seLinuxOptions', 'role'), emptyText),
  ];

/** Safe system controls, by the minor version that first allowed them. */
const SYSCTLS: readonly (readonly [MinorVersion, readonly string[]])[] = [
  [
    0,
    [
      'kernel.shm_rmid_forced',
      'net.ipv4.ip_local_port_range',
      'net.ipv4.tcp_syncookies',
      'net.ipv4.ping_group_range',
      'net.ipv4.ip_unprivileged_port_start',
    ],
  ],
  [27, ['net.ipv4.ip_local_reserved_ports']],
  [
    29,
    [
      'net.ipv4.tcp_keepalive_time',
      'net.ipv4.tcp_fin_timeout',
      'net.ipv4.tcp_keepalive_intvl',
      'net.ipv4.tcp_keepalive_probes',
    ],
  ],
  [32, ['net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem']],
  [37, ['net.ipv4.tcp_slow_start_after_idle', 'net.ipv4.tcp_notsent_lowat']],
];
const sysctls = (minor: MinorVersion): Rule => {
  const safe = oneOf(SYSCTLS.flatMap(([since, names]) => (since <= minor ? names : [])));
  return (pod) =>
    failures(
      pod
        .at('spec', 'securityContext', 'sysctls')
        .items()
        .map((sysctl) => sysctl.at('name')),
      safe,
    );
};

const RESTRICTED_VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
];
/** The API server turns a volume without a source into an `emptyDir`. */
const restrictedVolumes: Rule = (pod) =>
  pod
    .at('spec', 'volumes')
    .items()
    .filter((volume) =>
      volume
        .members()
        .some(
          ([name, { isAbsent }]) =>
            name !== 'name' && !isAbsent && !RESTRICTED_VOLUMES.includes(name),
        ),
    )
    .map(({ pointer }) => ({
      pointer,
      must: `must have a source of these only: ${RESTRICTED_VOLUMES.join(', ')}`,
    }));

/** All checks, by the names that Kubernetes uses. */
const CHECKS: Readonly<Record<string, Check>> = {
  appArmorProfile: { level: 'baseline', since: [[0, appArmor]] },
  capabilities_baseline: {
    level: 'baseline',
    since: [[0, (pod) => failures(addedCapabilities(pod), BASELINE_CAPABILITIES)]],
  },
  hostNamespaces: {
    level: 'baseline',
    since: [
      [
        0,
        (pod) =>
          failures(
            ['hostNetwork', 'hostPID', 'hostIPC'].map((name) => pod.at('spec', name)),
            unsetOr(false),
          ),
      ],
    ],
  },
  hostPathVolumes: {
    level: 'baseline',
    since: [
      [
        0,
        (pod) =>
          failures(
            pod
              .at('spec', 'volumes')
              .items()
              .map((volume) => volume.at('hostPath')),
            unset,
          ),
      ],
    ],
  },
  hostPorts: {
    level: 'baseline',
    since: [
      [
        0,
        (pod) =>
          failures(
            inContainers(pod, 'ports').flatMap((ports) =>
              ports.items().map((port) => port.at('hostPort')),
            ),
            unsetOr(0),
          ),
      ],
    ],
  },
  hostProbesAndHostLifecycle: {
    level: 'baseline',
    since: [
      [
        34,
        (pod) =>
          failures(
            HOST_FIELDS.flatMap((names) => inContainers(pod, ...names)),
            emptyText,
          ),
      ],
    ],
  },
  privileged: {
    level: 'baseline',
    since: [
      [0, (pod) => failures(inContainers(pod, 'securityContext', 'privileged'), unsetOr(false))],
    ],
  },
  procMount: {
    level: 'baseline',
    since: [
      [0, maskedProc],
      [35, unless(isInUserNamespace, maskedProc)],
    ],
  },
  seccompProfile_baseline: {
    level: 'baseline',
    since: [
      [0, seccompAnnotations],
      [19, (pod) => failures(present(inContexts(pod, 'seccompProfile')), CONFINED)],
    ],
  },
  seLinuxOptions: {
    level: 'baseline',
    since: [
      [0, selinux()],
      [31, selinux('container_engine_t')],
    ],
  },
  sysctls: { level: 'baseline', since: SYSCTLS.map(([minor]) => [minor, sysctls(minor)]) },
  windowsHostProcess: {
    level: 'baseline',
    since: [
      [0, (pod) => failures(inContexts(pod, 'windowsOptions', 'hostProcess'), unsetOr(false))],
    ],
  },
  allowPrivilegeEscalation: {
    level: 'restricted',
    since: [
      [8, noEscalation],
      [25, unless(isWindows, noEscalation)],
    ],
  },
  capabilities_restricted: {
    level: 'restricted',
    replaces: 'capabilities_baseline',
    since: [
      [22, restrictedCapabilities],
      [25, unless(isWindows, restrictedCapabilities)],
    ],
  },
  procMount_restricted: {
    level: 'restricted',
    replaces: 'procMount',
    since: [[35, maskedProc]],
  },
  restrictedVolumes: {
    level: 'restricted',
    replaces: 'hostPathVolumes',
    since: [[0, restrictedVolumes]],
  },
  runAsNonRoot: {
    level: 'restricted',
    since: [
      [0, nonRoot],
      [35, unless(isInUserNamespace, nonRoot)],
    ],
  },
  runAsUser: {
    level: 'restricted',
    since: [
      [23, nonRootUser],
      [35, unless(isInUserNamespace, nonRootUser)],
    ],
  },
  seccompProfile_restricted: {
    level: 'restricted',
    replaces: 'seccompProfile_baseline',
    since: [
      [19, restrictedSeccomp],
      [25, unless(isWindows, restrictedSeccomp)],
    ],
  },
};

export interface PodStandard {
  readonly level: PodSecurityLevel;
  /** A version newer than the newest known one has the rules of that one. */
  readonly minor: MinorVersion;
}

/** Violations of a standard by a pod; empty if it conforms. @throws MalformedJson */
export function podSecurityFindings(
  pod: JsonNode,
  { level, minor }: PodStandard,
): readonly PodFinding[] {
  const rules = new Map<string, Rule>();
  // Baseline checks come first in the table, so a check of `restricted` finds what it replaces.
  for (const [name, check] of Object.entries(CHECKS)) {
    const rule = check.since.findLast(([since]) => since <= minor)?.[1];
    if (rule === undefined || (level === 'baseline' && check.level === 'restricted')) continue;
    rules.set(name, rule);
    if (check.replaces !== undefined) rules.delete(check.replaces);
  }
  return [...rules].flatMap(([check, rule]) => rule(pod).map((failure) => ({ check, ...failure })));
}
