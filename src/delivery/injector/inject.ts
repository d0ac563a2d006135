import {
  agentVolumes,
  initContainer,
  isReservedContainer,
  isReservedVolume,
  nativeSidecar,
  plainSidecar,
  SECRETS_VOLUME,
  type AgentResources,
  type AgentTraits,
} from './agent-containers.ts';
import { agentConfig, configText, type BrokerAddress } from './agent-config.ts';
import {
  DOMAIN,
  INJECTED,
  INJECTION_VERSION,
  MOST_ANNOTATIONS,
  MOST_CHARACTERS,
  Problems,
  readAnnotations,
  type Problem,
} from './annotations.ts';
import { checkFit } from './check-fit.ts';
import type { InjectionRequest } from './injection-request.ts';
import { parseRequest } from './parse-request.ts';
import { MIRROR, type Container, type Pod, type PodSpec } from './pod.ts';
import { AGENT_ID, runAsOf, type RunAs } from './run-as.ts';

/** The operator's settings for all injections. */
export interface InjectionSettings {
  readonly image: string;
  readonly broker: BrokerAddress;
  readonly resources: AgentResources;
  readonly hasNativeSidecars: boolean;
}

export type Injection =
  /** The pod asks for no injection; `warning` if its author may have meant to. */
  | { readonly outcome: 'unchanged'; readonly warning?: string }
  /** The request is returned for the check of its templates, which takes longer. */
  | { readonly outcome: 'injected'; readonly pod: Pod; readonly request: InjectionRequest }
  /** Denial: nothing is injected. */
  | { readonly outcome: 'denied'; readonly problems: readonly Problem[] };

/** The pod with the agent in it. Idempotent: in a pod that was injected before, our containers and volumes are replaced, even if another webhook created them. */
export function inject(pod: Pod, settings: InjectionSettings): Injection {
  const annotations = pod.metadata?.annotations ?? {};
  const asked = annotations[`${DOMAIN}inject`];
  if (asked === undefined || asked === 'false') return notAsked(annotations, asked);
  if (annotations[MIRROR] !== undefined) {
    return { outcome: 'unchanged', warning: 'static pods get no Quaymaster agent' };
  }
  const problems = new Problems();
  refuseMany(annotations, problems);
  if (problems.found.length > 0) return { outcome: 'denied', problems: problems.found };
  if (asked !== 'true') problems.add(`${DOMAIN}inject`, 'must be "true" or "false"');
  const request = parseRequest(readAnnotations(annotations, problems), problems);
  const bare = annotations[INJECTED] === undefined ? pod.spec : withoutAgent(pod.spec);
  const readers = readersOf(bare, request);
  const runAs = runAsOf(bare, readers);
  const config = agentConfig(request, settings.broker, runAs);
  const { image, resources } = settings;
  const traits = { image, resources, config: configText(config), runAs };
  checkFit(bare, { request, config, configText: traits.config, runAs }, problems);
  if (problems.found.length > 0) return { outcome: 'denied', problems: problems.found };
  const placement = placementOf(request, bare, settings);
  const spec = withAgent(bare, { request, readers, traits, placement, settings });
  return { outcome: 'injected', pod: { ...marked(pod, readers), spec }, request };
}

/** Refuses too many annotations before anything is parsed: any caller that reaches the port may send as many as fit in a review. */
function refuseMany(annotations: Readonly<Record<string, string>>, problems: Problems): void {
  const ours = Object.entries(annotations).filter(([key]) => key.startsWith(DOMAIN));
  const refuse = (limit: string): void =>
    problems.add(`${DOMAIN}inject`, `the pod has more than ${limit} annotations of ${DOMAIN}`);
  if (ours.length > MOST_ANNOTATIONS) refuse(`${MOST_ANNOTATIONS}`);
  const characters = ours.reduce((sum, [key, text]) => sum + key.length + text.length, 0);
  if (characters > MOST_CHARACTERS) refuse(`${MOST_CHARACTERS} characters in its`);
}

function notAsked(
  annotations: Readonly<Record<string, string>>,
  asked: string | undefined,
): Injection {
  const isForgotten =
    asked === undefined && Object.keys(annotations).some((key) => key.startsWith(DOMAIN));
  return {
    outcome: 'unchanged',
    ...(isForgotten && {
      warning: `${DOMAIN} annotations have no effect without ${DOMAIN}inject: "true"`,
    }),
  };
}

/** Copies the pod without containers, volumes and mounts that have our names. */
function withoutAgent(spec: PodSpec): PodSpec {
  const clean = (containers: readonly Container[]): Container[] =>
    containers
      .filter(({ name }) => !isReservedContainer(name))
      .map(({ volumeMounts, ...container }) => ({
        ...container,
        ...(volumeMounts !== undefined && {
          volumeMounts: volumeMounts.filter(({ name }) => !isReservedVolume(name)),
        }),
      }));
  return {
    ...spec,
    containers: clean(spec.containers),
    ...(spec.initContainers !== undefined && { initContainers: clean(spec.initContainers) }),
    ...(spec.volumes !== undefined && {
      volumes: spec.volumes.filter(({ name }) => !isReservedVolume(name)),
    }),
  };
}

function readersOf(spec: PodSpec, { containers }: InjectionRequest): readonly Container[] {
  if (containers === undefined) return spec.containers;
  const named = new Set(containers);
  const all = [...(spec.initContainers ?? []), ...spec.containers];
  return all.filter(({ name }) => named.has(name));
}

type Placement = 'native' | 'init' | 'init-and-sidecar';

/** A plain sidecar would prevent a Job from ending, so pods that end get the files once. */
function placementOf(
  { isOnce }: InjectionRequest,
  { restartPolicy = 'Always' }: PodSpec,
  { hasNativeSidecars }: InjectionSettings,
): Placement {
  if (isOnce) return 'init';
  if (hasNativeSidecars) return 'native';
  return restartPolicy === 'Always' ? 'init-and-sidecar' : 'init';
}

interface Parts {
  readonly request: InjectionRequest;
  readonly readers: readonly Container[];
  readonly traits: AgentTraits;
  readonly placement: Placement;
  readonly settings: InjectionSettings;
}

function withAgent(
  spec: PodSpec,
  { request, readers, traits, placement, settings }: Parts,
): PodSpec {
  const reading = new Set(readers);
  const mounted = (container: Container): Container =>
    reading.has(container) ? withMount(container, request.directory) : container;
  const first = placement === 'native' ? nativeSidecar(traits) : initContainer(traits);
  const last = placement === 'init-and-sidecar' ? [plainSidecar(traits)] : [];
  return {
    ...spec,
    ...groupOf(spec, traits.runAs),
    // First, so that the init containers after it have the files too.
    initContainers: [first, ...(spec.initContainers ?? []).map(mounted)],
    containers: [...spec.containers.map(mounted), ...last],
    volumes: [...(spec.volumes ?? []), ...agentVolumes(settings.broker.audience)],
  };
}

function withMount(container: Container, mountPath: string): Container {
  const mount = { name: SECRETS_VOLUME, mountPath, readOnly: true };
  return { ...container, volumeMounts: [...(container.volumeMounts ?? []), mount] };
}

/** Chooses the group of the files. `fsGroup` is not used: it would change the group of every file in every volume of the pod. */
function groupOf(
  { securityContext = {} }: PodSpec,
  { sharesUser, group }: RunAs,
): Pick<PodSpec, 'securityContext'> {
  const { supplementalGroups = [] } = securityContext;
  if (sharesUser || supplementalGroups.includes(group)) return {};
  return {
    securityContext: { ...securityContext, supplementalGroups: [...supplementalGroups, AGENT_ID] },
  };
}

/** Names the containers that got the files, so that a container that another webhook adds does not get them at a reinvocation. */
function marked(pod: Pod, readers: readonly Container[]): Pod {
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      annotations: {
        ...pod.metadata?.annotations,
        [`${DOMAIN}containers`]: readers.map(({ name }) => name).join(','),
        [INJECTED]: INJECTION_VERSION,
      },
    },
  };
}
