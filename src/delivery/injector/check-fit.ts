import { isUnder } from '../../domain/names.ts';
import { isReservedContainer, isReservedVolume } from './agent-containers.ts';
import { DOMAIN } from './annotations.ts';
import type { InjectionRequest } from './injection-request.ts';
import type { Container, PodSpec } from './pod.ts';
import type { Problems } from './problems.ts';
import type { RunAs } from './run-as.ts';

/** Linux takes 128 KiB for one variable of the environment, its name and the end included. */
const LONGEST_CONFIG = 128 * 1024 - 64;
const GROUP_READS = 0o040;

interface Fitted {
  readonly request: InjectionRequest;
  readonly config: string;
  readonly runAs: RunAs;
}

/** What the request and the pod, each well made, cannot be together. */
export function checkFit(spec: PodSpec, fitted: Fitted, problems: Problems): void {
  const { request, config } = fitted;
  checkSystem(spec, request, problems);
  checkNames(spec, problems);
  checkReaders(spec, request, problems);
  checkModes(fitted, problems);
  checkSignal(spec, fitted, problems);
  if (Buffer.byteLength(config) > LONGEST_CONFIG) {
    problems.add(`${DOMAIN}inject`, 'the annotations together are too long: 128 KiB at most');
  }
}

function checkSystem(spec: PodSpec, request: InjectionRequest, problems: Problems): void {
  const system = spec.os?.name ?? spec.nodeSelector?.['kubernetes.io/os'] ?? 'linux';
  if (system !== 'linux') problems.add(`${DOMAIN}inject`, `the agent does not run on ${system}`);
  if (spec.hostNetwork === true && request.healthPort === undefined && !request.isOnce) {
    problems.add(
      `${DOMAIN}health-port`,
      'needed where hostNetwork is true: agents of one node must not have the same port',
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
    problems.add(place, 'the name is reserved for what is injected');
  }
}

function checkReaders(spec: PodSpec, request: InjectionRequest, problems: Problems): void {
  // From the last to the first, so that of two of one name the first is found.
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

/** What lies below a volume that is mounted read-only could not be mounted. */
function hasMountAt({ volumeMounts = [] }: Container, directory: string): boolean {
  return volumeMounts.some(({ mountPath }) => isUnder(mountPath, directory));
}

function checkModes({ request, runAs }: Fitted, problems: Problems): void {
  if (runAs.sharesUser) return;
  for (const { name, mode } of [...request.secrets, ...request.templates]) {
    if (mode === undefined || (Number.parseInt(mode, 8) & GROUP_READS) !== 0) continue;
    problems.add(
      `${DOMAIN}mode-${name}`,
      `nobody but the agent could read the file: set one runAsUser for the pod, or let the group read, like 0440`,
    );
  }
}

function checkSignal(spec: PodSpec, { request, runAs }: Fitted, problems: Problems): void {
  if (request.onChangeSignal === undefined) return;
  const refuse = (message: string): void => problems.add(`${DOMAIN}on-change-signal`, message);
  if (request.isOnce) refuse(`has no meaning beside ${DOMAIN}once`);
  if (spec.shareProcessNamespace !== true) refuse('needs shareProcessNamespace: true in the pod');
  if (!runAs.sharesUser) refuse('needs one runAsUser for the pod: users signal only their own');
}
