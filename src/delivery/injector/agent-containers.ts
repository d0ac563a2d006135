import { AGENT_DIRECTORY, TOKEN_DIRECTORY } from './agent-config.ts';
import type { Container } from './pod.ts';
import type { RunAs } from './run-as.ts';

const AGENT_CONTAINER = 'quaymaster-agent';
const INIT_CONTAINER = 'quaymaster-agent-init';
export const SECRETS_VOLUME = 'quaymaster-secrets';
const TOKEN_VOLUME = 'quaymaster-token';

/** Reports whether the injector reserves the name: no other container of an injected pod may have it. */
export function isReservedContainer(name: string): boolean {
  return name === AGENT_CONTAINER || name === INIT_CONTAINER;
}

export function isReservedVolume(name: string): boolean {
  return name === SECRETS_VOLUME || name === TOKEN_VOLUME;
}

/** The program in the image: probes run without its entry point. */
const PROGRAM = ['node', '--disable-sigusr1', '/app/dist/quaymaster.cjs'];
/** The kubelet renews it at four fifths of its life; API servers grant at least ten minutes. */
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

/** Starts first; the containers after it start when the files exist. Ends after the last of them (KEP-753). */
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

/** Ends when the files exist. */
export function initContainer(traits: AgentTraits): Container {
  return containerOf(INIT_CONTAINER, ['agent', '--once'], traits);
}

/** Builds an ordinary container, for clusters without native sidecars. */
export function plainSidecar(traits: AgentTraits): Container {
  return containerOf(AGENT_CONTAINER, ['agent'], traits);
}

/**
 * Meets the level `restricted` of the Pod Security Standards, with a read-only root file system. It sets `args` and no `command`: the
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
    // The last lines of the agent's log name the refusal, and contain no value.
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

interface AgentVolume {
  readonly name: string;
  readonly [source: string]: unknown;
}

/** Memory for the values, and a token for the broker's audience that only the agent's container sees. */
export function agentVolumes(audience: string): readonly AgentVolume[] {
  const serviceAccountToken = { audience, expirationSeconds: TOKEN_SECONDS, path: 'token' };
  return [
    { name: SECRETS_VOLUME, emptyDir: { medium: 'Memory' } },
    { name: TOKEN_VOLUME, projected: { sources: [{ serviceAccountToken }] } },
  ];
}
