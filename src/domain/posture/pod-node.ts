import { JsonNode } from '../text/json-node.ts';

/** The manifest of a pod. */
export class PodNode extends JsonNode {
  constructor(value: unknown, pointer: string) {
    super(value, pointer, 'the pod');
  }
}

/** The status that the node reports for each container of a pod. @throws MalformedJson */
export function containerStatusesOf(pod: JsonNode): readonly JsonNode[] {
  return ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'].flatMap(
    (list) => pod.at('status', list).items(),
  );
}

/** All containers of a pod: init, regular and ephemeral ones. @throws MalformedJson */
export function containersOf(pod: JsonNode): readonly JsonNode[] {
  return ['initContainers', 'containers', 'ephemeralContainers'].flatMap((list) =>
    pod.at('spec', list).items(),
  );
}
