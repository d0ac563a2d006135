import type { Call, CliContext } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { printable } from '../output/printable.ts';

export async function runMountCheck(
  { broker, output }: CliContext,
  { args: [name = ''] }: Call<object>,
): Promise<ExitCode> {
  const { body } = await (await broker()).call('checkMount', { path: { name } });
  await output.show(body, () =>
    [
      body.healthy ? 'healthy' : 'NOT HEALTHY',
      ...body.findings.map((each) => `  ${printable(each)}`),
    ].join('\n'),
  );
  return body.healthy ? EXIT.done : EXIT.failed;
}
