import { AGENT_DIRECTORY, TOKEN_DIRECTORY } from './agent-config.ts';
import type { Container } from './pod.ts';
import type { RunAs } from './run-as.ts';

const AGENT_CONTAINER = 'quaymaster-agent';
const INIT_CONTAINER = 'quaymaster-agent-init';
export const SECRETS_VOLUME = 'quaymaster-secrets';
const TOKEN_VOLUME = 'quaymaster-token';

/** Names that nobody else's containers and volumes may have in a pod that is injected. */
export function isReservedContainer(name: string): boolean {
  return name === AGENT_CONTAINER || name === INIT_CONTAINER;
}

export function isReservedVolume(name: string): boolean {
  return name === SECRETS_VOLUME || name === TOKEN_VOLUME;
}

/** Where the image has its program: probes are run without its entry point. */
const PROGRAM = ['node', '--disable-sigusr1', '/app/dist/quaymaster.cjs'];
/** Asked for by the kubelet anew at four fifths; API servers grant nothing under ten minutes. */
const TOKEN_SECONDS = 3_600;

export interface AgentResources {
  readonly cpuRequest: string;
  readonly memoryRequest: string;
  readonly cpuLimit?: string | undefined;
  readonly memoryLimit: string;
}

export interface AgentTraits {
  readonly image: string;
  readonly resources: AgentResources;
  readonly config: string;
  readonly runAs: RunAs;
}

/** Starts before every container behind it, which start once the files are there; ends after the last of them (KEP-753). */
export function nativeSidecar(traits: AgentTraits): Container {
  return {
    ...containerOf(AGENT_CONTAINER, ['agent'], traits),
    restartPolicy: 'Always',
    startupProbe: {
      exec: { command: [...PROGRAM, 'agent', 'healthcheck', '--ready'] },
      periodSeconds: 1,
      timeoutSeconds: 5,
      failureThreshold: 300,
    },
  };
}

/** Ends when the files are there. */
export function initContainer(traits: AgentTraits): Container {
  return containerOf(INIT_CONTAINER, ['agent', '--once'], traits);
}

/** For clusters without native sidecars. */
export function plainSidecar(traits: AgentTraits): Container {
  return containerOf(AGENT_CONTAINER, ['agent'], traits);
}

/**
 * All that the level `restricted` of the Pod Security Standards asks for, and a read-only root file system. It sets `args` and no `command`: the
 * image's entry point sets a core limit of 0, so that a crash writes no secret into a file.
 */
function containerOf(name: string, args: readonly string[], traits: AgentTraits): Container {
  const { image, config, runAs } = traits;
  return {
    name,
    image,
    args: [...args],
    env: [{ name: 'QUAYMASTER_CONFIG', value: config }],
    securityContext: {
      runAsUser: runAs.user,
      runAsGroup: runAs.group,
      runAsNonRoot: true,
      privileged: false,
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
      seccompProfile: { type: 'RuntimeDefault' },
    },
    resources: resourcesOf(traits.resources),
    // The agent's last words say what was refused, and hold no value.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    volumeMounts: [
      { name: SECRETS_VOLUME, mountPath: AGENT_DIRECTORY },
      { name: TOKEN_VOLUME, mountPath: TOKEN_DIRECTORY, readOnly: true },
    ],
  };
}

function resourcesOf({ cpuRequest, memoryRequest, cpuLimit, memoryLimit }: AgentResources): object {
  return {
    requests: { cpu: cpuRequest, memory: memoryRequest },
    limits: { ...(cpuLimit !== undefined && { cpu: cpuLimit }), memory: memoryLimit },
  };
}

/** The values' memory, and a token that only the agent's own container sees, made for the broker alone. */
export function agentVolumes(audience: string): readonly { readonly name: string }[] {
  const serviceAccountToken = { audience, expirationSeconds: TOKEN_SECONDS, path: 'token' };
  return [
    { name: SECRETS_VOLUME, ...{ emptyDir: { medium: 'Memory' } } },
    { name: TOKEN_VOLUME, ...{ projected: { sources: [{ serviceAccountToken }] } } },
  ];
}
