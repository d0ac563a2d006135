import { Option, type Command } from 'commander';
import { online } from './declare.ts';

const load = () => import('../verbs/rotations.ts');
const COMMENT = ['--comment <text>', 'why; it goes into the log'] as const;
const KEY = ['--idempotency-key <key>', 'the same key finds the same one'] as const;
const WAIT = ['--wait', 'go along to its end; exit 1 unless it ends as was asked'] as const;

export function addRotations(program: Command): void {
  const rotate = program.command('rotate').description('credentials made anew');
  online(
    rotate
      .command('run')
      .description('rotate now')
      .argument('<path>')
      .option('--incident', 'wait for no holder; needs --comment')
      .option(...COMMENT)
      .option(...KEY)
      .option(...WAIT),
    async () => (await load()).askRotation('runRotation'),
  );
  online(
    rotate
      .command('drill')
      .description('prove that a rotation would work, without giving the new credential out')
      .argument('<path>')
      .option(...COMMENT)
      .option(...KEY)
      .option(...WAIT),
    async () => (await load()).askRotation('drillRotation'),
  );
  addSteering(rotate);
  addViews(rotate);
}

function addSteering(rotate: Command): void {
  const asked = [
    ['retry', 'try the step again now at which it waits', 'retryRotation'],
    ['abort', 'end a rotation that has not promoted its version yet', 'abortRotation'],
    ['rollback', 'go back to the version before', 'rollBackRotation'],
    ['retire', 'end the old credential now, whoever still holds it', 'retireRotation'],
  ] as const;
  for (const [verb, description, id] of asked) {
    online(
      rotate
        .command(verb)
        .description(description)
        .argument('<path>')
        .option(...COMMENT)
        .option(...WAIT),
      async () => (await load()).askRotation(id),
    );
  }
}

function addViews(rotate: Command): void {
  online(
    rotate
      .command('ls')
      .description('list the paths that rotate')
      .option(
        '--overdue',
        'only those whose run or drill was due five minutes ago, or is stuck, and what expires soon and is not scheduled',
      )
      .option('--never-proven', 'only those that no rotation and no drill has tested')
      .addOption(
        new Option('--state <state>', 'only those whose rotation is in this state').choices([
          'running',
          'parked',
          'undoing',
        ]),
      )
      .option(
        '--due-before <time>',
        'only those that are due by then, such as 2026-01-05T10:00:00Z',
      ),
    async () => (await load()).runRotationList,
  );
  online(
    rotate
      .command('status')
      .description('say where a path stands, and who is on which version')
      .argument('<path>'),
    async () => (await load()).runRotationStatus,
  );
  online(
    rotate
      .command('history')
      .description('list the rotations and drills of a path, newest first')
      .argument('<path>'),
    async () => (await load()).runRotationHistory,
  );
}
