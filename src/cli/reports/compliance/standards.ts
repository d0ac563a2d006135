import type { CheckName } from './checks.ts';

/** A control, by the number of its standard and with a title of our own. */
export interface Control {
  readonly id: string;
  readonly title: string;
  /** Checks that must all pass for the control. Empty: the broker cannot see it. */
  readonly checks: readonly CheckName[];
}

export interface Standard {
  readonly title: string;
  readonly controls: readonly Control[];
}

const control = (id: string, title: string, ...checks: readonly CheckName[]): Control => ({
  id,
  title,
  checks,
});

/** Controls to which the broker can contribute. The texts of the standards are under copyright, so they are not repeated. */
export const STANDARDS = {
  'cis-kubernetes-1.12': {
    title: 'CIS Kubernetes Benchmark 1.12',
    controls: [
      control('5.1.2', 'Few may read secrets', 'narrow_policies', 'used_grants'),
      control('5.1.5', 'Workloads have service accounts of their own', 'own_service_account'),
      control('5.1.6', 'API tokens are mounted only where needed', 'no_api_token'),
      control('5.2.1', 'A policy decides which pods are admitted to secrets', 'posture_gate'),
      control('5.2.2', 'No privileged containers', 'not_privileged'),
      control('5.2.3', 'No process namespace of the host', 'no_host_namespaces'),
      control('5.2.4', 'No IPC namespace of the host', 'no_host_namespaces'),
      control('5.2.5', 'No network namespace of the host', 'no_host_namespaces'),
      control('5.2.6', 'No privilege escalation', 'no_escalation'),
      control('5.2.7', 'No root containers', 'not_root'),
      control('5.2.8', 'No NET_RAW', 'few_capabilities'),
      control('5.2.9', 'No capabilities that a container does not need', 'few_capabilities'),
      control('5.2.10', 'No HostProcess containers', 'no_host_process'),
      control('5.2.11', 'No volumes of the host', 'no_host_path'),
      control('5.2.12', 'No ports of the host', 'no_host_ports'),
      control('5.3.2', 'Network policies limit the pods', 'network_policies'),
      control(
        '5.4.1',
        'Secrets are files, not environment variables',
        'secrets_not_in_environment',
      ),
      control('5.4.2', 'Secrets are kept outside the cluster', 'external_storage'),
      control('5.5.1', 'Images are of known origin', 'image_trust', 'pinned_images'),
      control('5.6.1', 'Namespaces are boundaries', 'named_namespaces', 'narrow_policies'),
      control('5.6.2', 'Seccomp profiles are set', 'seccomp'),
      control('5.6.3', 'Security contexts are set', 'restricted_pods'),
      control('5.6.4', 'The namespace "default" is not used', 'named_namespaces'),
    ],
  },
  'nist-800-190': {
    title: 'NIST SP 800-190, Application Container Security Guide',
    controls: [
      control('4.1.1', 'Image vulnerabilities', 'vulnerability_gate'),
      control('4.1.2', 'Image configuration defects', 'not_root', 'restricted_pods'),
      control(
        '4.1.4',
        'Embedded clear-text secrets',
        'secrets_not_in_environment',
        'external_storage',
      ),
      control('4.1.5', 'Use of untrusted images', 'image_trust', 'pinned_images'),
      control('4.3.1', 'Unbounded administrative access', 'admins', 'two_persons'),
      control('4.3.2', 'Unauthorised access', 'strong_login', 'narrow_policies'),
      control('4.3.3', 'Poorly separated network traffic between containers', 'network_policies'),
      control('4.4.2', 'Unbounded network access from containers', 'network_policies'),
      control('4.4.3', 'Insecure configuration of the container runtime', 'restricted_pods'),
      control('4.4.4', 'Application vulnerabilities', 'posture_gate', 'quarantines'),
      control('4.4.5', 'Rogue containers', 'posture_gate', 'no_ephemeral_containers'),
    ],
  },
  'pci-dss-4.0.1': {
    title: 'PCI DSS 4.0.1',
    controls: [
      control(
        '7.2.5',
        'Application accounts have least privilege',
        'narrow_policies',
        'used_grants',
      ),
      control('8.4.2', 'Several factors for access to the environment', 'strong_login'),
      control(
        '8.6.2',
        'Passwords of applications are not in files or code',
        'external_storage',
        'secrets_not_in_environment',
      ),
      control('8.6.3', 'Passwords of applications are changed and protected', 'rotation'),
      control('10.2.1', 'Audit logs are on and record access', 'logins', 'refusals'),
      control('10.3.2', 'Audit logs cannot be altered', 'log_intact', 'log_witnessed'),
      control('10.3.3', 'Audit logs are kept in another place', 'log_delivered'),
      control('10.3.4', 'Changes of audit logs are noticed', 'log_intact'),
      control('10.5.1', 'Audit logs are retained for 12 months', 'log_retained'),
      control('11.3.1', 'Vulnerabilities are scanned and handled', 'vulnerability_gate'),
    ],
  },
  'soc-2': {
    title: 'SOC 2, Trust Services Criteria',
    controls: [
      control(
        'CC6.1',
        'Logical access is restricted, and data is encrypted',
        'narrow_policies',
        'keys',
        'strong_login',
      ),
      control(
        'CC6.2',
        'Access is granted and removed with authorisation',
        'two_persons',
        'changes',
      ),
      control(
        'CC6.3',
        'Access follows least privilege and separation of duties',
        'used_grants',
        'admins',
      ),
      control('CC6.6', 'Access from outside is protected', 'tls', 'strong_login'),
      control('CC6.7', 'Data is protected in transit', 'tls'),
      control('CC6.8', 'Unauthorised software is prevented', 'image_trust', 'posture_gate'),
      control('CC7.2', 'Anomalies are monitored', 'refusals', 'log_delivered'),
      control('CC7.3', 'Security events are evaluated', 'quarantines'),
      control('CC7.4', 'Incidents are answered', 'quarantines', 'rotation'),
      control('CC8.1', 'Changes are authorised and recorded', 'changes', 'log_intact'),
      control('A1.2', 'Data is backed up', 'backups'),
    ],
  },
} as const satisfies Readonly<Record<string, Standard>>;

export type StandardName = keyof typeof STANDARDS;
export const STANDARD_NAMES = Object.keys(STANDARDS) as readonly StandardName[];
