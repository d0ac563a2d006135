import { randomId } from '../../crypto/random.ts';
import type { components } from '../../client/index.ts';
import type { Broker } from '../broker.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { mayHaveBeenDone } from '../may-have-been-done.ts';
import { causeOf, stopped } from '../stopped.ts';
import { showDisclosure } from './get.ts';

interface CredentialOptions {
  readonly ttl?: string;
  readonly idempotencyKey?: string;
  readonly reveal?: boolean;
}

type Disclosure = components['schemas']['Disclosure'];

/** Has a credential made to order. It lives as long as its lease, and so no longer than the session of the profile. */
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
      `a credential may have been made; the same command with --idempotency-key ${key} finds it`,
    );
  });
  try {
    await showDisclosure(context, body, reveal);
  } catch (error) {
    // A key that was given finds it again, and others who have the key may use it by now.
    throw idempotencyKey === undefined ? stopped(error, await giveBack(broker, body)) : error;
  }
  if (!reveal && idempotencyKey === undefined) {
    context.output.note(`to see its values: --reveal --idempotency-key ${key}`);
  }
}

/** Of what nobody has. @returns how that went */
async function giveBack(broker: Broker, { lease }: Disclosure): Promise<string> {
  const id = lease?.id ?? '';
  return broker.call('releaseLease', { path: { id } }).then(
    () => 'the credential is given back',
    () => `the credential may still be good: quaymaster lease release ${id}`,
  );
}
