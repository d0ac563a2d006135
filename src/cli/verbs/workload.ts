import { UnreachableError, type BrokerEvent, type components } from '../../client/index.ts';
import { randomId } from '../../crypto/random/random.ts';
import type { Broker } from '../connection/broker.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { defined } from '../kernel/defined.ts';
import { exitCodeOfStatus, Failed } from '../kernel/errors.ts';
import { printable } from '../output/printable.ts';
import { fields } from '../output/table.ts';
import { causeOf, mayHaveBeenDone, stopped } from '../output/unknown-outcome.ts';
import { showDisclosure } from './get.ts';

type Disclosure = components['schemas']['Disclosure'];

interface CredentialOptions {
  readonly ttl?: string;
  readonly idempotencyKey?: string;
  readonly reveal?: boolean;
}

/** Issues a dynamic credential. It lives as long as its lease, so at most as long as the session of the profile. */
export async function runCredential(
  context: CliContext,
  { args: [path = ''], options }: Call<CredentialOptions>,
): Promise<void> {
  const { ttl, idempotencyKey, reveal = false } = options;
  const key = idempotencyKey ?? randomId('cli');
  const broker = await context.broker();
  const input = {
    path: { path },
    headers: { 'Idempotency-Key': key },
    body: defined({ ttl }),
  };
  const { body } = await broker.call('issueCredential', input).catch((error: unknown) => {
    const cause = causeOf(error, context.signal);
    if (!mayHaveBeenDone(cause)) throw error;
    throw stopped(
      cause,
      `a credential may have been issued; repeat the command with --idempotency-key ${key} to get it`,
    );
  });
  try {
    await showDisclosure(context, body, reveal);
  } catch (error) {
    // With a key of the caller the credential can be fetched again, and other holders of the key may use it already.
    throw idempotencyKey === undefined ? stopped(error, await release(broker, body)) : error;
  }
  if (!reveal && idempotencyKey === undefined) {
    context.output.note(`to show its values: --reveal --idempotency-key ${key}`);
  }
}

/** Ends the lease of a credential whose values were never shown. @returns what to report */
async function release(broker: Broker, { lease }: Disclosure): Promise<string> {
  const id = lease?.id ?? '';
  return broker.call('releaseLease', { path: { id } }).then(
    () => 'the credential was released',
    () => `the credential may still be valid; release it: quaymaster lease release ${id}`,
  );
}

interface AckOptions {
  readonly version: string;
  readonly failed?: boolean;
  readonly reason?: string;
}

/** Reports that the holder now uses a version, or cannot use it. */
export async function runAck(
  { broker, output }: CliContext,
  { args: [path = ''], options }: Call<AckOptions>,
): Promise<void> {
  const { version, failed = false, reason } = options;
  const outcome = failed ? ('failed' as const) : ('ok' as const);
  const item = { path, version, outcome, ...defined({ reason }) };
  const { body } = await (await broker()).call('acknowledge', { body: { items: [item] } });
  const [answer] = body.items;
  if (answer !== undefined && 'error' in answer) {
    const { code, title, detail, status } = answer.error;
    throw new Failed(printable(`${code}: ${detail ?? title}`), exitCodeOfStatus(status));
  }
  await output.show(body, () =>
    fields([
      ['path', answer?.path],
      ['version', answer?.version],
      ['ended leases', answer?.endedLeases],
    ]),
  );
}

const RECONNECT_MS = 1_000;

/** Prints events until it is interrupted. It reconnects after a broken stream, and prints each event once. */
export async function runEvents(
  context: CliContext,
  { options }: Call<{ readonly lastEventId?: string }>,
): Promise<void> {
  let last: BrokerEvent | undefined;
  while (last?.event !== 'session.ended') {
    try {
      last = await follow(context, last?.id ?? options.lastEventId, (event) => (last = event));
    } catch (error) {
      // A stream that never started is reported as an error; one that did is resumed after its last event.
      if (!(error instanceof UnreachableError) || last === undefined) throw error;
      context.output.note(`${error.message}; reconnecting`);
      await context.clock.sleep(RECONNECT_MS, context.signal);
    }
  }
}

/** Prints one stream to its end. @returns its last event */
async function follow(
  { broker, output, signal }: CliContext,
  lastEventId: string | undefined,
  seen: (event: BrokerEvent) => void,
): Promise<BrokerEvent | undefined> {
  let last: BrokerEvent | undefined;
  for await (const event of (await broker()).events({ lastEventId, signal })) {
    last = event;
    seen(event);
    const path = 'path' in event.data ? event.data.path : '';
    await output.item(event, () => printable(`${event.id}  ${event.event}  ${path}`).trimEnd());
  }
  return last;
}
