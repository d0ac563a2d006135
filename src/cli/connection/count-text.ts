import { ApiError, type PagedId } from '../../client/index.ts';
import { counted } from '../kernel/count.ts';
import { callWith, type Broker, type LooseInput } from './broker.ts';

const MOST = 1000;

/**
 * Counts the items of a list for a question: `3 live leases`, or `over 1000 live leases`. A caller that may not list them is
 * asked without the count.
 */
export async function countText(
  broker: Broker,
  id: PagedId,
  query: LooseInput['query'],
  [one, many]: readonly [string, string],
): Promise<string> {
  try {
    const { body } = await callWith(broker, id, { query: { ...query, limit: MOST } });
    const { length } = body.items;
    if (body.next !== undefined) return `over ${length} ${many}`;
    return counted(length, one, many);
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return many;
    throw error;
  }
}
