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
import { agentConfig, type BrokerAddress } from './agent-config.ts';
import { DOMAIN, INJECTED, INJECTION_VERSION, MOST_ANNOTATIONS } from './annotations.ts';
import { checkFit } from './check-fit.ts';
import type { InjectionRequest } from './injection-request.ts';
import { parseRequest } from './parse-request.ts';
import type { Container, Pod, PodSpec } from './pod.ts';
import { Problems, type Problem } from './problems.ts';
import { readAnnotations } from './read-annotations.ts';
import { AGENT_ID, runAsOf, type RunAs } from './run-as.ts';

/** What the operator has said of all injections. */
export interface InjectionSettings {
  readonly image: string;
  readonly broker: BrokerAddress;
  readonly resources: AgentResources;
  readonly hasNativeSidecars: boolean;
}

export type Injection =
  /** The pod asks for nothing; `warning` where it may have meant to. */
  | { readonly outcome: 'unchanged'; readonly warning?: string }
  | { readonly outcome: 'injected'; readonly pod: Pod }
  /** The pod asks for what it cannot have: nothing of it is done. */
  | { readonly outcome: 'denied'; readonly problems: readonly Problem[] };

/** Of static pods the API server only has a mirror: their containers run already. */
const MIRROR = 'kubernetes.io/config.mirror';

/** The pod with the agent in it. The same for a pod that was injected before: what is ours is made anew, whoever put it there. */
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
  const traits = {
    image: settings.image,
    resources: settings.resources,
    config: agentConfig(request, settings.broker, runAs),
    runAs,
  };
  checkFit(bare, { request, config: traits.config, runAs }, problems);
  if (problems.found.length > 0) return { outcome: 'denied', problems: problems.found };
  const way = wayOf(request, bare, settings);
  const spec = withAgent(bare, { request, readers, traits, way, settings });
  return { outcome: 'injected', pod: { ...marked(pod, readers), spec } };
}

/** Counted before anything is made of them: whoever reaches the port may send as many as fit in a review. */
function refuseMany(annotations: Readonly<Record<string, string>>, problems: Problems): void {
  const count = Object.keys(annotations).filter((key) => key.startsWith(DOMAIN)).length;
  if (count <= MOST_ANNOTATIONS) return;
  const message = `the pod has ${count} annotations of ${DOMAIN}, and may have ${MOST_ANNOTATIONS}`;
  problems.add(`${DOMAIN}inject`, message);
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

/** Without containers, volumes and mounts of our names. */
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

type Way = 'native' | 'init' | 'init-and-sidecar';

/** A plain sidecar would keep a Job from ending, so pods that end get the files once. */
function wayOf(
  { isOnce }: InjectionRequest,
  { restartPolicy = 'Always' }: PodSpec,
  { hasNativeSidecars }: InjectionSettings,
): Way {
  if (isOnce) return 'init';
  if (hasNativeSidecars) return 'native';
  return restartPolicy === 'Always' ? 'init-and-sidecar' : 'init';
}

interface Parts {
  readonly request: InjectionRequest;
  readonly readers: readonly Container[];
  readonly traits: AgentTraits;
  readonly way: Way;
  readonly settings: InjectionSettings;
}

function withAgent(spec: PodSpec, { request, readers, traits, way, settings }: Parts): PodSpec {
  const reading = new Set(readers);
  const mounted = (container: Container): Container =>
    reading.has(container) ? withMount(container, request.directory) : container;
  const first = way === 'native' ? nativeSidecar(traits) : initContainer(traits);
  const last = way === 'init-and-sidecar' ? [plainSidecar(traits)] : [];
  return {
    ...spec,
    ...groupOf(spec, traits.runAs),
    // First, so that init containers behind it have the files too.
    initContainers: [first, ...(spec.initContainers ?? []).map(mounted)],
    containers: [...spec.containers.map(mounted), ...last],
    volumes: [...(spec.volumes ?? []), ...agentVolumes(settings.broker.audience)],
  };
}

function withMount(container: Container, mountPath: string): Container {
  const mount = { name: SECRETS_VOLUME, mountPath, readOnly: true };
  return { ...container, volumeMounts: [...(container.volumeMounts ?? []), mount] };
}

/** Unlike `fsGroup`, which would hand over every volume of the pod to it, file by file. */
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

/** Says who got the files, so that a container that somebody adds later does not when this is asked again. */
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
