import type { Store } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';

/** The rotation or drill of a path that is under way, whatever state it is in; undefined when there is none. */
export async function activeRotation(
  store: Store,
  path: string,
): Promise<Tables['rotations'] | undefined> {
  const id = (await store.get('rotation_schedules', { path }))?.active_id ?? undefined;
  return id === undefined ? undefined : store.get('rotations', { id });
}
