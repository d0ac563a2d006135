import { createHash } from 'node:crypto';
import type { Store } from '../../../src/ports/store.ts';
import type { Tables } from '../../../src/ports/tables.ts';
import { bodiesOf } from '../fakes/fake-audit-chain.ts';
import { listRows } from '../store/table-rows.ts';

/** Lists every id in the batches, in order, after each writer's chain was recomputed. @throws at the first broken link. */
export async function storedIds(store: Store): Promise<string[]> {
  const heads = new Map<string, { seq: number; head: Uint8Array }>();
  const ids: string[] = [];
  for await (const batch of batches(store)) {
    const { seq, head } = heads.get(batch.writer) ?? { seq: 0, head: new Uint8Array(32) };
    const next = createHash('sha256').update(head).update(batch.entries).digest();
    if (batch.first_seq !== seq || !next.equals(batch.head)) {
      throw new Error(`the chain of ${batch.writer} breaks at ${batch.first_seq}`);
    }
    heads.set(batch.writer, { seq: seq + batch.count, head: next });
    ids.push(...bodiesOf(batch).map((body) => (JSON.parse(body) as { id: string }).id));
  }
  return ids;
}

async function* batches(store: Store): AsyncGenerator<Tables['audit_batches']> {
  let page = await listRows(store, 'audit_batches', { limit: 500 });
  while (page.length > 0) {
    yield* page;
    page = await listRows(store, 'audit_batches', { limit: 500, after: page.at(-1)! });
  }
}

/** Lists every name in `claims`, to which the writers add one row per plan. */
export async function storedNames(store: Store): Promise<string[]> {
  const names: string[] = [];
  let page = await listRows(store, 'claims', { limit: 500 });
  while (page.length > 0) {
    names.push(...page.map(({ name }) => name));
    page = await listRows(store, 'claims', { limit: 500, after: page.at(-1)! });
  }
  return names;
}
