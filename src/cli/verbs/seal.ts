import { confirm } from '../ask.ts';
import type { Call, CliContext } from '../context.ts';

interface SealOptions {
  readonly reason: string;
  readonly yes?: boolean;
}

/** The emergency stop: every replica forgets its keys. */
export async function runSeal(
  context: CliContext,
  { options: { reason, yes } }: Call<SealOptions>,
): Promise<void> {
  const question = 'seal the broker: every replica refuses everything until it is started again';
  await confirm(context, question, yes);
  const { body } = await (await context.broker()).call('seal', { body: { reason } });
  await context.output.show(body, () => 'sealed: start each replica again to unseal it');
}
