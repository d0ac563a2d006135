import type { Broker } from '../connection/broker.ts';
import { coloured } from '../output/output.ts';
import { printable } from '../output/printable.ts';
import type { CliContext } from '../connection/context.ts';
import { EXIT, type ExitCode } from '../kernel/errors.ts';
import { failureOf } from '../output/failure.ts';

interface Check {
  readonly name: string;
  readonly state: 'ok' | 'failed' | 'skipped';
  readonly text: string;
}

const MARKS = {
  ok: coloured('green', 'ok      '),
  failed: coloured('red', 'FAILED  '),
  skipped: 'skipped ',
};

/** Records the checks of a drill in the audit log, and shows them, one a line. @returns 1 if one failed, also if the entry could not be made */
export async function reportDrill(
  { broker, output }: CliContext,
  checks: readonly Check[],
): Promise<ExitCode> {
  const all = [...checks, await recordCheck(await broker(), checks)];
  await output.show({ checks: all }, () =>
    all.map(({ name, state, text }) => `${MARKS[state]} ${name}: ${printable(text)}`).join('\n'),
  );
  return all.some(({ state }) => state === 'failed') ? EXIT.failed : EXIT.done;
}

async function recordCheck(broker: Broker, checks: readonly Check[]): Promise<Check> {
  const name = 'entry';
  const body = { checks: checks.map((check) => ({ name: check.name, state: check.state })) };
  try {
    await broker.call('recordDrill', { body });
    return { name, state: 'ok', text: 'the log has an entry drill.record' };
  } catch (error) {
    const [text = ''] = failureOf(error).text.split('\n');
    return { name, state: 'failed', text: `not recorded: ${text}` };
  }
}
