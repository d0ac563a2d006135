import * as z from 'zod';
import type { Page, PageRequest } from '../../domain/page.ts';
import { parseParameter } from './parse-input.ts';
import type { Query } from './query.ts';

export const PAGE_QUERY = ['limit', 'after'] as const;

const limit = z
  .string()
  .regex(/^[1-9][0-9]{0,3}$/, '"limit" is 1 to 1000')
  .transform(Number)
  .refine((value) => value <= 1_000, '"limit" is 1 to 1000')
  .default(100);
const after = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{1,1900}$/, '"after" is not a cursor')
  .optional();

/** @throws ERR_REQUEST_INVALID */
export function readPage(query: Query): PageRequest {
  return {
    limit: parseParameter(limit, query.get('limit')),
    after: parseParameter(after, query.get('after')),
  };
}

/** A page in the form of an answer. */
export function pageJson<T, Item extends object>(
  page: Page<T>,
  itemJson: (item: T) => Item,
): { readonly items: readonly Item[]; readonly next?: string } {
  return { items: page.items.map(itemJson), ...(page.next !== undefined && { next: page.next }) };
}
