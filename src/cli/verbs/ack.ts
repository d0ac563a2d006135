import { Failed } from '../failed.ts';
import type { Call, CliContext } from '../context.ts';
import { defined } from '../defined.ts';
import { exitCodeOfStatus } from '../exit-codes.ts';
import { printable } from '../output/printable.ts';
import { fields } from '../output/table.ts';

interface AckOptions {
  readonly version: string;
  readonly failed?: boolean;
  readonly reason?: string;
}

/** Says that the holder uses a version now, or cannot use it. */
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
