import type { components } from '../../client/index.ts';
import type { Broker } from '../broker.ts';
import type { CliContext } from '../context.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';
import { fields } from '../output/table.ts';

type Rotation = components['schemas']['Rotation'];

const EVERY_MS = 1_000;

/** Follows a rotation to its end, or until it needs somebody. Ctrl-C ends the waiting and not the rotation. */
export async function waitForEnd(
  { output, clock, signal }: CliContext,
  broker: Broker,
  begun: Rotation,
): Promise<ExitCode> {
  output.note(`${begun.kind} ${begun.id} goes on at the broker, also when this stops waiting`);
  let now = begun;
  while (now.state === 'running' || now.state === 'undoing') {
    output.progress(`${now.path}: ${now.step}${waitsFor(now)}`);
    await clock.sleep(EVERY_MS, signal);
    now = await lookUp(broker, now);
  }
  output.endProgress();
  await output.show(now, () =>
    fields([
      ['id', now.id],
      ['path', now.path],
      ['state', now.state],
      ['version', now.version],
      ['last error', now.lastError],
    ]),
  );
  return now.state === 'done' ? EXIT.done : EXIT.failed;
}

/** As it is under way, or as it ended. */
async function lookUp(broker: Broker, { id, path }: Rotation): Promise<Rotation> {
  const { active } = (await broker.call('readRotation', { path: { path } })).body;
  if (active?.id === id) return active;
  for await (const rotation of broker.pages('readRotationHistory', { path: { path } })) {
    if (rotation.id === id) return rotation;
  }
  throw new TypeError('a rotation that was begun is not in the history');
}

function waitsFor({ step, settlesUntil }: Rotation): string {
  return step === 'settle' && settlesUntil !== undefined
    ? `, until its holders have moved on, at the latest ${settlesUntil}`
    : '';
}
