import { PodNode } from './pod-node.ts';
import type { JsonNode } from '../text/json-node.ts';

/** Place of the pod in each kind of object: its metadata and specification in a template. */
const POD_OF_KIND: Readonly<Record<string, readonly string[]>> = {
  Pod: [],
  PodTemplate: ['template'],
  Deployment: ['spec', 'template'],
  ReplicaSet: ['spec', 'template'],
  ReplicationController: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
  DaemonSet: ['spec', 'template'],
  Job: ['spec', 'template'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
};

export interface FoundPod {
  /** The kind, namespace if it has one, and name of the object that has the pod, such as `Deployment shop/web`. */
  readonly owner: string;
  readonly pod: JsonNode;
}

/** The pods of a Kubernetes object: of a workload of any kind, or of each item of a `List`. Other objects have none. @throws MalformedJson */
export function podsIn(value: unknown, pointer = ''): readonly FoundPod[] {
  const object = new PodNode(value, pointer);
  const kind = object.at('kind').text() ?? '';
  if (kind === 'List' || kind === 'PodList') {
    return object
      .at('items')
      .items()
      .flatMap((item) => podsIn(item.value, item.pointer));
  }
  const names = Object.hasOwn(POD_OF_KIND, kind) ? POD_OF_KIND[kind] : templateIn(value);
  if (names === undefined) return [];
  const name = object.at('metadata', 'name').text() ?? '(without a name)';
  const namespace = object.at('metadata', 'namespace').text();
  const owner = `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
  return [{ owner, pod: object.at(...names) }];
}

/** Place of the pod in an object of another kind, such as a Rollout of Argo. Undefined if there are no containers: most objects have another shape. */
function templateIn(value: unknown): readonly string[] | undefined {
  const template = ['spec', 'template'];
  let found = value;
  for (const name of [...template, 'spec', 'containers']) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, name))
      return undefined;
    found = (found as Readonly<Record<string, unknown>>)[name];
  }
  return Array.isArray(found) ? template : undefined;
}
