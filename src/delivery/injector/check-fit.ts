import { isUnder } from '../../domain/words/names.ts';
import { parseSettings } from '../settings/settings.ts';
import { isReservedContainer, isReservedVolume } from './agent-containers.ts';
import { DOMAIN, type Problems } from './annotations.ts';
import type { InjectionRequest } from './injection-request.ts';
import type { Container, PodSpec } from './pod.ts';
import type { RunAs } from './run-as.ts';

/** Linux allows 128 KiB for one environment variable, with its name and its end. */
const LONGEST_CONFIG = 128 * 1024 - 64;
const GROUP_READS = 0o040;

interface Fitted {
  readonly request: InjectionRequest;
  readonly config: object;
  /** The value of the agent's environment variable. */
  readonly configText: string;
  readonly runAs: RunAs;
}

/** Checks that the request fits the pod, and that the agent accepts its configuration. */
export function checkFit(spec: PodSpec, fitted: Fitted, problems: Problems): void {
  const { request, config, configText } = fitted;
  checkSystem(spec, request, problems);
  checkNames(spec, problems);
  checkReaders(spec, request, problems);
  checkModes(fitted, problems);
  checkSignal(spec, fitted, problems);
  if (Buffer.byteLength(configText) > LONGEST_CONFIG) {
    problems.add(`${DOMAIN}inject`, 'the annotations together are too long: 128 KiB at most');
  } else if (problems.found.length === 0) checkAgentAccepts(config, problems);
}

/**
 * Checks that the agent accepts the configuration. Each annotation was checked already. This catches any rule of the agent that
 * was not checked: else the pod would be created, and never start.
 */
function checkAgentAccepts(config: object, problems: Problems): void {
  const checked = parseSettings(config);
  for (const problem of 'problems' in checked ? checked.problems : []) {
    problems.add(`${DOMAIN}inject`, `the agent refuses its configuration: ${problem}`);
  }
}

function checkSystem(spec: PodSpec, request: InjectionRequest, problems: Problems): void {
  const system = spec.os?.name ?? spec.nodeSelector?.['kubernetes.io/os'] ?? 'linux';
  if (system !== 'linux') problems.add(`${DOMAIN}inject`, `the agent does not run on ${system}`);
  if (spec.hostNetwork === true && request.healthPort === undefined && !request.isOnce) {
    problems.add(
      `${DOMAIN}health-port`,
      'required if hostNetwork is true: the agents of one node share its ports',
    );
  }
}

function checkNames(spec: PodSpec, problems: Problems): void {
  const containers = [...spec.containers, ...(spec.initContainers ?? [])];
  const volumes = [...(spec.volumes ?? []), ...containers.flatMap((one) => one.volumeMounts ?? [])];
  const reserved = [
    ...containers
      .filter(({ name }) => isReservedContainer(name))
      .map(({ name }) => `container "${name}"`),
    ...volumes.filter(({ name }) => isReservedVolume(name)).map(({ name }) => `volume "${name}"`),
  ];
  for (const place of new Set(reserved)) {
    problems.add(place, 'the name is reserved for the injected agent');
  }
}

function checkReaders(spec: PodSpec, request: InjectionRequest, problems: Problems): void {
  // Reversed, so that the first of two containers with the same name is found.
  const all = [...spec.containers, ...(spec.initContainers ?? [])].reverse();
  const byName = new Map(all.map((container) => [container.name, container]));
  const asked = request.containers ?? spec.containers.map(({ name }) => name);
  if (asked.length === 0) problems.add('pod', 'has no container of its own');
  for (const name of asked) {
    const reader = byName.get(name);
    if (reader === undefined) {
      problems.add(`${DOMAIN}containers`, `the pod has no container "${name}"`);
    } else if (hasMountAt(reader, request.directory)) {
      problems.add(
        `${DOMAIN}directory`,
        `container "${name}" has another volume mounted at or below it`,
      );
    }
  }
}

/** The kubelet could not mount anything below our volume, which is mounted read-only. */
function hasMountAt({ volumeMounts = [] }: Container, directory: string): boolean {
  return volumeMounts.some(({ mountPath }) => isUnder(mountPath, directory));
}

function checkModes({ request, runAs }: Fitted, problems: Problems): void {
  if (runAs.sharesUser) return;
  for (const { name, mode } of [...request.secrets, ...request.templates]) {
    if (mode === undefined || (Number.parseInt(mode, 8) & GROUP_READS) !== 0) continue;
    problems.add(
      `${DOMAIN}mode-${name}`,
      'only the agent could read the file: set the same runAsUser for all containers that read it, or let the group read, for example 0440',
    );
  }
}

function checkSignal(spec: PodSpec, { request, runAs }: Fitted, problems: Problems): void {
  if (request.onChangeSignal === undefined) return;
  const refuse = (message: string): void => problems.add(`${DOMAIN}on-change-signal`, message);
  if (request.isOnce) refuse(`cannot be combined with ${DOMAIN}once`);
  if (spec.shareProcessNamespace !== true) refuse('needs shareProcessNamespace: true in the pod');
  if (!runAs.sharesUser)
    refuse(
      'needs the same runAsUser for all containers that read: a process can only signal processes of its own user',
    );
}
