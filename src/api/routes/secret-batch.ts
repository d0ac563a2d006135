import * as z from 'zod';
import { identityOf, type Call, type Caller } from '../../broker/access/call.ts';
import { issueCredential } from '../../broker/credentials/issue-credential.ts';
import { readSecrets as discloseSecrets, refuseReads } from '../../broker/secrets/read-secrets.ts';
import { LiveSession } from '../../broker/state/session-memory.ts';
import { ByteText } from '../../domain/words/byte-text.ts';
import { BrokerError } from '../../domain/errors.ts';
import { disclosureJson, listJson } from '../answer/disclosure-json.ts';
import { problemOf } from '../answer/error-answer.ts';
import { explainRefusal } from '../request/explain-refusal.ts';
import { duration, idempotencyKey, secretPath, secretVersion } from '../request/fields.ts';
import { checkReason, readReason } from '../request/read-reason.ts';
import { parseInput } from '../request/parse-input.ts';
import { waiting, type RequestShare } from '../request/memory-shares.ts';
import type { Asked, RouteOf } from '../request/route.ts';

const BATCH_BYTES = 131_072;
const SLICE_BYTES = 4 * 1024 * 1024;
/** The weight of issuing a dynamic credential, relative to a read. */
const CREDENTIAL_WEIGHT = 10;

const readItem = z.strictObject({ path: secretPath, version: secretVersion.optional() });
const orderItem = z.strictObject({ path: secretPath, idempotencyKey, ttl: duration.optional() });
const batch = z.strictObject({
  items: z.array(z.unknown()).min(1),
  reason: readReason.optional(),
});

type ReadItem = z.infer<typeof readItem>;
type OrderItem = z.infer<typeof orderItem>;
type Item = ReadItem | OrderItem;
/** Renders the failure of an item. */
type Failed = (path: string, error: BrokerError) => ByteText;

/** Reads several secrets and dynamic credentials in one call. Each item is decided, recorded and answered separately. */
export const readSecrets: RouteOf<'readSecrets'> = {
  body: { maxBytes: BATCH_BYTES },
  read: ({ operation, body, caller, limits, rates, share }) => {
    const { items, reason } = parseBatch(body?.value, limits.batchItems);
    const orders = items.filter(isOrder);
    const weight = items.length - 1 + orders.length * (CREDENTIAL_WEIGHT - 1);
    if (caller !== undefined) rates.takeFromCaller(caller, weight);
    if (orders.length > 0 && !(caller instanceof LiveSession)) {
      throw new BrokerError('ERR_DENIED', undefined, { reason: 'workload_only' });
    }
    return async ({ parts, call, caller: asked }) => {
      checkReason(asked, reason);
      const identity = identityOf(asked);
      const failed = (path: string, error: BrokerError): ByteText =>
        failure(
          call,
          path,
          rates.answered(identity, explainRefusal({ parts, caller: asked, operation }, error)),
        );
      const shown = await answers(
        { parts, call, caller: asked },
        { items, reason },
        { failed, share },
      );
      return { status: 200, values: listJson('items', shown) };
    };
  },
};

interface ParsedBatch {
  readonly items: readonly Item[];
  readonly reason: string | undefined;
}

function parseBatch(value: unknown, most: number): ParsedBatch {
  const { items, reason } = parseInput(batch, value);
  if (items.length > most) {
    throw new BrokerError('ERR_BODY_INVALID', `a batch may have ${most} items`, {
      reason: 'batch_items',
    });
  }
  const parsed = items.map((item, index) => {
    const isOrderLike = typeof item === 'object' && item !== null && 'idempotencyKey' in item;
    return parseInput<Item>(isOrderLike ? orderItem : readItem, item, `/items/${index}`);
  });
  return { items: parsed, reason };
}

function isOrder(item: Item): item is OrderItem {
  return 'idempotencyKey' in item;
}

/**
 * Answers the items in their order: reads share a commit, credentials are issued one after another. Each answer counts for its
 * caller when it is built. Items without room are refused, and the caller requests them again.
 */
async function answers(
  acting: Asked<Caller>,
  { items, reason }: ParsedBatch,
  { failed, share }: { readonly failed: Failed; readonly share: RequestShare },
): Promise<readonly ByteText[]> {
  const { parts, call, caller } = acting;
  const shown = new Map<number, ByteText>();
  const show = (index: number, answer: ByteText): void => {
    share.produce(answer.length);
    shown.set(index, answer);
  };
  const reads = items.flatMap((item, index) => (isOrder(item) ? [] : [{ ...item, index, reason }]));
  for (const slice of slices(reads, parts.limits.maxValueBytes)) {
    const results = share.isFull
      ? await refuseReads(acting, slice, waiting('answers_waiting'))
      : await discloseSecrets(parts, call, caller, slice);
    for (const [at, { index, path }] of slice.entries()) {
      const result = results[at] ?? new BrokerError('ERR_INTERNAL');
      const isRefused = result instanceof BrokerError;
      show(index, isRefused ? failed(path, result) : disclosureJson(result));
    }
  }
  for (const [index, item] of items.entries()) {
    if (isOrder(item) && caller instanceof LiveSession) {
      show(index, await issueItem({ parts, call, caller }, { ...item, index }, failed));
    }
  }
  return items.map(
    (item, index) => shown.get(index) ?? failed(item.path, new BrokerError('ERR_INTERNAL')),
  );
}

/** Splits the reads so that each part fits into 4 MiB with the largest values: 64 for values of 64 KiB. */
function slices<T>(reads: readonly T[], maxValueBytes: number): readonly (readonly T[])[] {
  const size = Math.max(1, Math.floor(SLICE_BYTES / maxValueBytes));
  const count = Math.ceil(reads.length / size);
  return Array.from({ length: count }, (_, at) => reads.slice(at * size, (at + 1) * size));
}

async function issueItem(
  { parts, call, caller: live }: Asked<LiveSession>,
  item: OrderItem & { readonly index: number },
  failed: Failed,
): Promise<ByteText> {
  const { path, idempotencyKey: key, ttl, index } = item;
  const order = { path, idempotencyKey: key, ttlSeconds: ttl, index };
  try {
    return disclosureJson(await issueCredential({ parts, call, live, order }));
  } catch (error) {
    return failed(path, BrokerError.from(error));
  }
}

function failure(call: Call, path: string, error: BrokerError): ByteText {
  return ByteText.of(JSON.stringify({ path, error: problemOf(error, call.requestId) }));
}
