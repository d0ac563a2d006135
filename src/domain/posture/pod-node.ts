import { pointerTo } from '../words/json-pointer.ts';

/** A pod or another document (`whole`) whose value at `pointer` has a type that is not accepted there. */
export class MalformedPod extends Error {
  readonly pointer: string;
  constructor(pointer: string, message: string, whole = 'the pod') {
    super(`${pointer === '' ? whole : pointer} ${message}`);
    this.pointer = pointer;
  }
}

/**
 * A value of a pod and its JSON pointer. `null` reads as absent, as in Kubernetes. A value of another type than expected ends the reading, so a
 * pod that Kubernetes would refuse never passes a check.
 */
export class PodNode {
  readonly value: unknown;
  readonly pointer: string;

  constructor(value: unknown, pointer: string) {
    this.value = value ?? undefined;
    this.pointer = pointer;
  }

  get isAbsent(): boolean {
    return this.value === undefined;
  }

  /** The member that the names lead to; absent if one of them is. @throws MalformedPod */
  at(...names: readonly string[]): PodNode {
    return names.reduce<PodNode>((node, name) => node.#member(name), this);
  }

  /** The items of a list; none if it is absent. @throws MalformedPod */
  items(): readonly PodNode[] {
    const { value, pointer } = this;
    if (value === undefined) return [];
    if (!Array.isArray(value)) throw new MalformedPod(pointer, 'must be a list');
    return value.map((item, index) => new PodNode(item, pointer + pointerTo([index])));
  }

  /** The members of an object; none if it is absent. @throws MalformedPod */
  members(): readonly (readonly [name: string, member: PodNode])[] {
    return Object.keys(this.#object()).map((name) => [name, this.#member(name)]);
  }

  /** @throws MalformedPod */
  text(): string | undefined {
    const { value, pointer } = this;
    if (value === undefined || typeof value === 'string') return value;
    throw new MalformedPod(pointer, 'must be a string');
  }

  #member(name: string): PodNode {
    const object = this.#object();
    const value = Object.hasOwn(object, name) ? object[name] : undefined;
    return new PodNode(value, this.pointer + pointerTo([name]));
  }

  #object(): Readonly<Record<string, unknown>> {
    const { value, pointer } = this;
    if (value === undefined) return {};
    if (typeof value !== 'object' || Array.isArray(value)) {
      throw new MalformedPod(pointer, 'must be an object');
    }
    return value as Readonly<Record<string, unknown>>;
  }
}

/** The status that the node reports for each container of a pod. @throws MalformedPod */
export function containerStatusesOf(pod: PodNode): readonly PodNode[] {
  return ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'].flatMap(
    (list) => pod.at('status', list).items(),
  );
}

/** All containers of a pod: init, regular and ephemeral ones. @throws MalformedPod */
export function containersOf(pod: PodNode): readonly PodNode[] {
  return ['initContainers', 'containers', 'ephemeralContainers'].flatMap((list) =>
    pod.at('spec', list).items(),
  );
}
