import { confirm } from '../connection/confirm.ts';
import type { Call, CliContext } from '../connection/context.ts';

/** The emergency stop: every replica erases its keys. */
export async function runSeal(
  context: CliContext,
  { options: { reason, yes } }: Call<{ readonly reason: string; readonly yes?: boolean }>,
): Promise<void> {
  await confirm(
    context,
    (url) =>
      `Seal the broker at ${url}, so that every replica refuses every request until it is restarted`,
    yes,
  );
  const { body } = await (await context.broker()).call('seal', { body: { reason } });
  await context.output.show(body, () => 'sealed; restart each replica to unseal it');
}
