import type { CliContext } from '../context.ts';
import { printableText } from '../output/printable.ts';

/** The last signed tree head, as it is: to be kept elsewhere. */
export async function runCheckpoint({ broker, output }: CliContext): Promise<void> {
  const { body } = await (await broker()).call('readCheckpoint');
  await output.show({ checkpoint: body }, () => printableText(body));
}

export async function runLogKey({ broker, output }: CliContext): Promise<void> {
  const { body } = await (await broker()).call('readLogKey');
  await output.show({ logKey: body.trim() }, () => printableText(body));
}
