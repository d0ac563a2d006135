import type { Command } from 'commander';
import { online } from './declare.ts';

const REVEAL = ['--reveal', 'show the values; without it they are masked'] as const;

export function addSecrets(program: Command): void {
  online(
    program
      .command('get')
      .description('read a secret, or several in one call')
      .argument('<path...>', 'its path')
      .option('--key <key>', 'only this value, bare, for scripts; with --reveal')
      .option(...REVEAL)
      .option('--version <version>', 'this version instead of the current one'),
    async () => (await import('../verbs/get.ts')).runGet,
  );
  online(
    program
      .command('put')
      .description('write a new version of a secret, with exactly these keys')
      .argument('<path>', 'its path')
      .argument('[key=@file...]', 'a key and the file of its value; key=- to type or pipe it')
      .option('--from-json <file>', 'all keys from a JSON object; - for standard input')
      .option('--create', 'only if there is none yet')
      .option('--if-version <version>', 'only if this is the current version'),
    async () => (await import('../verbs/put.ts')).runPut,
  );
  online(
    program
      .command('rm')
      .description('delete a secret, or destroy versions of it, for good')
      .argument('<path>', 'its path')
      .option('--versions <list>', 'only these versions, joined by commas')
      .option('--if-version <version>', 'only if this is the current version')
      .option('-y, --yes', 'do not ask'),
    async () => (await import('../verbs/secrets.ts')).runRm,
  );
  online(
    program
      .command('versions')
      .description('list the versions of a secret')
      .argument('<path>', 'its path'),
    async () => (await import('../verbs/secrets.ts')).runVersions,
  );
  online(
    program
      .command('ls')
      .description('list the secrets below a prefix, without their values')
      .argument('[prefix]', 'a path; everything that you may list unless told'),
    async () => (await import('../verbs/secrets.ts')).runLs,
  );
}

/** What workloads do with secrets. */
export function addForHolders(program: Command): void {
  online(
    program
      .command('credential')
      .description('have a credential made to order, as a workload')
      .argument('<path>', 'its path')
      .option('--ttl <duration>', 'how long it is wanted, such as 15m')
      .option('--idempotency-key <key>', 'the same key finds the same credential')
      .option(...REVEAL),
    async () => (await import('../verbs/credential.ts')).runCredential,
  );
  online(
    program
      .command('ack')
      .description('say that a version is in use, or cannot be used, as a workload')
      .argument('<path>', 'its path')
      .requiredOption('--version <version>', 'the version that was read')
      .option('--failed', 'it cannot be used')
      .option('--reason <word>', 'with --failed: why, in one word that may be recorded'),
    async () => (await import('../verbs/ack.ts')).runAck,
  );
  online(
    program
      .command('events')
      .description('follow what happens to the secrets that a workload holds')
      .option('--last-event-id <id>', 'begin with what happened after this event'),
    async () => (await import('../verbs/events.ts')).runEvents,
  );
}
