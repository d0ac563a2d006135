import { z } from 'zod';
import { identityOf, type Call } from '../../broker/call.ts';
import { issueCredential } from '../../broker/issue-credential.ts';
import type { Acting } from '../../broker/operation.ts';
import { readSecrets as discloseSecrets } from '../../broker/read-secrets.ts';
import { LiveSession } from '../../broker/state/sessions.ts';
import { BrokerError } from '../../domain/errors.ts';
import { disclosureJson, listJson } from '../disclosure-json.ts';
import { problemOf } from '../error-response.ts';
import { duration, idempotencyKey, secretPath, secretVersion } from '../fields.ts';
import { parseInput } from '../parse-input.ts';
import type { RouteOf } from '../route.ts';

const BATCH_BYTES = 131_072;
/** What a credential to order weighs against a read. */
const CREDENTIAL_WEIGHT = 10;

const readItem = z.strictObject({ path: secretPath, version: secretVersion.optional() });
const orderItem = z.strictObject({ path: secretPath, idempotencyKey, ttl: duration.optional() });
const batch = z.strictObject({ items: z.array(z.unknown()).min(1) });

type ReadItem = z.infer<typeof readItem>;
type OrderItem = z.infer<typeof orderItem>;
type Item = ReadItem | OrderItem;
/** Renders the failure of an item. */
type Failed = (path: string, error: BrokerError) => Buffer;

/** Several secrets, and credentials to order, in one call; each is decided, recorded and answered by itself. */
export const readSecrets: RouteOf<'readSecrets'> = {
  body: { maxBytes: BATCH_BYTES },
  read: ({ body, caller, limits, rates }) => {
    const items = parseItems(body?.value, limits.batchItems);
    const orders = items.filter(isOrder);
    const weight = items.length - 1 + orders.length * (CREDENTIAL_WEIGHT - 1);
    if (caller !== undefined) rates.takeFromCaller(caller, weight);
    if (orders.length > 0 && !(caller instanceof LiveSession)) {
      throw new BrokerError('ERR_DENIED', undefined, { reason: 'workload_only' });
    }
    return async ({ parts, call, caller: asked }) => {
      const identity = identityOf(asked);
      const failed = (path: string, error: BrokerError): Buffer =>
        failure(call, path, rates.answered(identity, error));
      const shown = await answers({ parts, call, caller: asked }, items, failed);
      return { status: 200, values: listJson('items', shown) };
    };
  },
};

function parseItems(value: unknown, most: number): readonly Item[] {
  const { items } = parseInput(batch, value);
  if (items.length > most) {
    throw new BrokerError('ERR_BODY_INVALID', `a batch may have ${most} items`, {
      reason: 'batch_items',
    });
  }
  return items.map((item, index) => {
    const isOrderLike = typeof item === 'object' && item !== null && 'idempotencyKey' in item;
    return parseInput<Item>(isOrderLike ? orderItem : readItem, item, `/items/${index}`);
  });
}

function isOrder(item: Item): item is OrderItem {
  return 'idempotencyKey' in item;
}

/** In the order of the items: reads share one commit, orders go one after another. */
async function answers(
  { parts, call, caller }: Acting,
  items: readonly Item[],
  failed: Failed,
): Promise<readonly Buffer[]> {
  const reads = items.flatMap((item, index) => (isOrder(item) ? [] : [{ ...item, index }]));
  const results = reads.length === 0 ? [] : await discloseSecrets(parts, call, caller, reads);
  const shown = new Map<number, Buffer>();
  for (const [at, { index, path }] of reads.entries()) {
    const result = results[at] ?? new BrokerError('ERR_INTERNAL');
    shown.set(index, result instanceof BrokerError ? failed(path, result) : disclosureJson(result));
  }
  for (const [index, item] of items.entries()) {
    if (isOrder(item) && caller instanceof LiveSession) {
      shown.set(index, await ordered({ parts, call, caller }, { ...item, index }, failed));
    }
  }
  return items.map(
    (item, index) => shown.get(index) ?? failed(item.path, new BrokerError('ERR_INTERNAL')),
  );
}

async function ordered(
  { parts, call, caller: live }: Acting<LiveSession>,
  item: OrderItem & { readonly index: number },
  failed: Failed,
): Promise<Buffer> {
  const { path, idempotencyKey: key, ttl, index } = item;
  const order = { path, idempotencyKey: key, ttlSeconds: ttl, index };
  try {
    return disclosureJson(await issueCredential({ parts, call, live, order }));
  } catch (error) {
    return failed(path, BrokerError.from(error));
  }
}

function failure(call: Call, path: string, error: BrokerError): Buffer {
  return Buffer.from(JSON.stringify({ path, error: problemOf(error, call.requestId) }));
}
