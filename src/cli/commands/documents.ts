import { InvalidArgumentError, Option, type Command } from 'commander';
import { online } from './declare.ts';
import { repeated } from './repeated.ts';
import type { Word } from '../documents/kinds.ts';

const WORDS: readonly Word[] = ['cluster', 'mount', 'operator', 'definition', 'policy'];
const YES = ['-y, --yes', 'do not ask'] as const;
const MANIFEST = ['--manifest', 'as a file that "apply -f" reads'] as const;

/** Behind what a kind is: there is no verb that makes one. */
export const MADE = '; made and changed with "apply"';

/** Several times, or once with commas. */
function several(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, ...text.split(',')];
}

export function addApply(program: Command): void {
  online(
    program
      .command('apply')
      .description(
        'make the broker have what files say: clusters, mounts, operators, definitions, policies',
      )
      .requiredOption(
        '-f, --file <place>',
        'a file, a directory with all below it, or - for standard input; may be repeated',
        repeated,
      )
      .addOption(pruneOption(WORDS))
      .option('--dry-run', 'show the plan and stop; exit 2 if something would be done')
      .option(...YES),
    async () => (await import('../verbs/apply.ts')).runApply,
  );
}

/** Ownership is said, not guessed: the kinds that the files hold all of. */
export function pruneOption(words: readonly Word[]): Option {
  return new Option(
    '--prune <kinds>',
    `delete what the files do not have, of these kinds: ${words.join(', ')}`,
  ).argParser((text, before: readonly string[] | undefined) => {
    const kinds = several(text, before);
    const unknown = kinds.find((kind) => !words.includes(kind as Word));
    if (unknown !== undefined) {
      throw new InvalidArgumentError(`${unknown} is not one of ${words.join(', ')}.`);
    }
    return kinds;
  });
}

/** ls, get, rm and versions of one kind; kinds are made and changed by `apply`. */
export function addDocumentVerbs(group: Command, word: Word): void {
  const argument = word === 'definition' ? '<path>' : '<name>';
  const load = () => import('../verbs/documents.ts');
  online(
    group
      .command('ls')
      .description('list them')
      .option(...MANIFEST),
    async () => (await load()).listDocuments(word),
  );
  online(
    group
      .command('get')
      .description('show one')
      .argument(argument)
      .option(...MANIFEST),
    async () => (await load()).getDocument(word),
  );
  online(
    group
      .command('rm')
      .description('delete one; its versions stay')
      .argument(argument)
      .option(...YES),
    async () => (await load()).removeDocument(word),
  );
  online(
    group.command('versions').description('list every version of one').argument(argument),
    async () => (await load()).listVersions(word),
  );
}

export function addDocuments(program: Command): void {
  const cluster = program.command('cluster').description(`registered token issuers${MADE}`);
  addDocumentVerbs(cluster, 'cluster');
  const mount = program.command('mount').description(`providers attached at prefixes${MADE}`);
  addDocumentVerbs(mount, 'mount');
  online(
    mount
      .command('check')
      .description('ask the backend whether the broker may do what the mount needs; exit 1 if not')
      .argument('<name>'),
    async () => (await import('../verbs/mount-check.ts')).runMountCheck,
  );
  const definition = program.command('definition').description(`what is said of one path${MADE}`);
  addDocumentVerbs(definition, 'definition');
}
