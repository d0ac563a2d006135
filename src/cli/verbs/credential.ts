import { randomId } from '../../crypto/random.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { showDisclosure } from './get.ts';

interface CredentialOptions {
  readonly ttl?: string;
  readonly idempotencyKey?: string;
  readonly reveal?: boolean;
}

/** Has a credential made to order. It lives as long as its lease, and so no longer than the session of the profile. */
export async function runCredential(
  context: CliContext,
  { args: [path = ''], options }: Call<CredentialOptions>,
): Promise<void> {
  const key = options.idempotencyKey ?? randomId('cli');
  const { body } = await (
    await context.broker()
  ).call('issueCredential', {
    path: { path },
    headers: { 'Idempotency-Key': key },
    body: defined({ ttl: options.ttl }),
  });
  await showDisclosure(context, body, options.reveal);
}
