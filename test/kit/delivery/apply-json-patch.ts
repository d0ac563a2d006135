import type { PatchOperation } from '../../../src/delivery/injector/json-patch.ts';

type Tree = Record<string, unknown> | unknown[];

/** The three used operations of RFC 6902, implemented independently of the code that writes patches. */
export function applyPatch(document: unknown, operations: readonly PatchOperation[]): unknown {
  const root = { '': structuredClone(document) };
  for (const operation of operations) {
    const keys = operation.path
      .split('/')
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop() ?? '';
    let parent: Tree = root;
    for (const key of keys) parent = (parent as Record<string, unknown>)[key] as Tree;
    if (Array.isArray(parent)) {
      const index = Number(last);
      if (operation.op === 'remove') parent.splice(index, 1);
      else parent.splice(index, operation.op === 'add' ? 0 : 1, operation.value);
    } else if (operation.op === 'remove') Reflect.deleteProperty(parent, last);
    else parent[last] = operation.value;
  }
  return root[''];
}
