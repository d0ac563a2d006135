import type { Argument, Command, Option } from 'commander';
import { valuesOf } from './declare.ts';
import type { Verb } from '../connection/context.ts';

/** Names that completion reads from files: the profiles, and what `profile names` has saved. */
type NameList = 'profiles' | 'paths' | 'mounts' | 'policies';

/** Words that may follow: a fixed list, or names of a file. */
interface Values {
  readonly words: readonly string[];
  readonly list?: NameList;
}

/** Command as a shell completes it. */
export interface CommandNode {
  /** Words that lead to the command, without the program's name. */
  readonly path: readonly string[];
  /** Other last words of the path. */
  readonly aliases: readonly string[];
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
  /** Long flags with their dashes, and the short flag. */
  readonly options: readonly {
    readonly flag: string;
    readonly short?: string;
    readonly description: string;
    readonly values: Values;
  }[];
  readonly values: Values;
}

type Shell = 'bash' | 'zsh' | 'fish';

export function completionVerb(program: Command): Verb<unknown> {
  return ({ output }, { args: [shell] }) =>
    output.raw(completionScript(shell as Shell, program.name(), commandTree(program)));
}

/** The program with all commands below it, each before its subcommands. */
export function commandTree(
  command: Command,
  path: readonly string[] = [],
): readonly CommandNode[] {
  const { commands, options, registeredArguments } = command;
  const node: CommandNode = {
    path,
    aliases: command.aliases(),
    subcommands: commands.flatMap((each) =>
      [each.name(), ...each.aliases()].map((name) => ({
        name,
        description: each.summary() || each.description(),
      })),
    ),
    options: options.flatMap((option) => optionNode(option)),
    values: argumentValues(path, registeredArguments),
  };
  return [node, ...commands.flatMap((each) => commandTree(each, [...path, each.name()]))];
}

const OPTION_LISTS: Readonly<Record<string, NameList>> = {
  '--profile': 'profiles',
  '--path': 'paths',
  '--path-prefix': 'paths',
  '--mount': 'mounts',
};

function optionNode(option: Option): CommandNode['options'] {
  const { long, short, description } = option;
  if (typeof long !== 'string') return [];
  const list = OPTION_LISTS[long];
  const values = { words: valuesOf(option), ...(list !== undefined && { list }) };
  return [{ flag: long, description, values, ...(typeof short === 'string' && { short }) }];
}

const PATHS: readonly string[] = ['path', 'from', 'to', 'other', 'prefix'];
/** Lists of the argument `name` by the first word of the command. */
const NAMED: Readonly<Record<string, NameList>> = {
  profile: 'profiles',
  mount: 'mounts',
  policy: 'policies',
  definition: 'paths',
};

function argumentValues([first = '']: readonly string[], given: readonly Argument[]): Values {
  const words = given.flatMap(({ argChoices }) => argChoices ?? []);
  const names = given.map((each) => each.name());
  const named = names.includes('name') ? NAMED[first] : undefined;
  const list = names.some((name) => PATHS.includes(name)) ? 'paths' : named;
  return { words, ...(list !== undefined && { list }) };
}

/** A script that completes commands, options, values and names. It calls no broker, so a Tab sends nothing. */
export function completionScript(
  shell: Shell,
  program: string,
  tree: readonly CommandNode[],
): string {
  return SCRIPTS[shell](program, tree);
}

/** Prints the names of a list; `$profile` is the profile of the command line. */
const NAMES = (program: string): string => `__${program}_names() {
  local dir="\${XDG_CONFIG_HOME:-$HOME/.config}/${program}"
  case "$1" in
    profiles) ls "$dir/profiles" 2>/dev/null | sed -n 's/\\.json$//p' ;;
    *) cat "$dir/names/\${profile:-\${QUAYMASTER_PROFILE:-$(cat "$dir/current" 2>/dev/null || echo default)}}/$1" 2>/dev/null ;;
  esac
}`;

/** A loop's body that follows the words of the command line, in bash and zsh: `at` becomes the command, `profile` its profile. */
const FOLLOW_WORD = (
  tree: readonly CommandNode[],
): string => `    [ "$last" = --profile ] && profile=$word
    last=$word
    case "$at $word" in
      ${placesOf(tree).join('|')}) at="$at $word" ;;
${aliasesOf(tree)
  .map(([alias, place]) => `      ${alias}) at=${place} ;;`)
  .join('\n')}
    esac`;

const SCRIPTS: Readonly<Record<Shell, (program: string, tree: readonly CommandNode[]) => string>> =
  {
    bash: (program, tree) => `# bash completion of ${program}: source <(${program} completion bash)
${NAMES(program)}
_${program}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at='' last='' profile='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
${FOLLOW_WORD(tree)}
  done
  case "$at $last" in
${valueCases(program, tree, (words) => `COMPREPLY=($(compgen -W "${words}" -- "$cur")); return`)}
  esac
  case "$at" in
${casesOf(program, tree, (words) => `COMPREPLY=($(compgen -W "${words}" -- "$cur"))`)}
  esac
}
complete -o default -F _${program} ${program}
`,
    zsh: (program, tree) => `#compdef ${program}
# zsh completion of ${program}: source <(${program} completion zsh)
${NAMES(program)}
_${program}() {
  local at='' last='' profile='' word
  for word in "\${(@)words[2,CURRENT-1]}"; do
${FOLLOW_WORD(tree)}
  done
  case "$at $last" in
${valueCases(program, tree, (words) => `compadd -- ${words}; return`)}
  esac
  case "$at" in
${casesOf(program, tree, (words) => `compadd -- ${words}`)}
  esac
  _files
}
compdef _${program} ${program}
`,
    fish: (program, tree) => `# fish completion of ${program}: ${program} completion fish | source
function __${program}_names
  set -l base $XDG_CONFIG_HOME
  test -n "$base"; or set base $HOME/.config
  set -l dir $base/${program}
  if test "$argv[1]" = profiles
    ls $dir/profiles 2>/dev/null | sed -n 's/\\.json$//p'
    return
  end
  set -l words (commandline -opc)
  set -l profile $QUAYMASTER_PROFILE
  set -l at (contains -i -- --profile $words); and set profile $words[(math $at + 1)]
  test -n "$profile"; or set profile (cat $dir/current 2>/dev/null; or echo default)
  cat $dir/names/$profile/$argv[1] 2>/dev/null
end
function __${program}_at
  set -l at
  for word in (commandline -opc)[2..]
    switch "$at $word"
      case ${placesOf(tree).join(' ')}
        set at "$at $word"
${aliasesOf(tree)
  .map(([alias, place]) => `      case ${alias}\n        set at ${place}`)
  .join('\n')}
    end
  end
  contains -- "$at" $argv
end
${fishLines(program, tree).join('\n')}
`,
  };

/** The paths of all commands, quoted. */
function placesOf(tree: readonly CommandNode[]): readonly string[] {
  return tree.filter(({ path }) => path.length > 0).map(({ path }) => placeOf(path));
}

/** The paths that end in an alias, quoted, each with the path of its command. */
function aliasesOf(tree: readonly CommandNode[]): readonly (readonly [string, string])[] {
  return tree.flatMap(({ path, aliases }) =>
    aliases.map((alias) => [placeOf([...path.slice(0, -1), alias]), placeOf(path)] as const),
  );
}

function placeOf(path: readonly string[]): string {
  return `'${path.map((word) => ` ${word}`).join('')}'`;
}

/** Words of a list as the shells read them: fixed ones, and names of a file, which has plain characters only. */
function wordsOf(program: string, { words, list }: Values): string {
  const names = list === undefined ? [] : [`$(__${program}_names ${list})`];
  return [...words, ...names].join(' ');
}

/** The values of options, one case for each list of values. The first case that matches counts: `-o` of most commands is the last one. */
function valueCases(
  program: string,
  tree: readonly CommandNode[],
  action: (words: string) => string,
): string {
  const cases = tree.flatMap(({ path, options }) =>
    options.flatMap(({ flag, short, values }) =>
      (short === undefined ? [flag] : [flag, short]).map(
        (name) => [wordsOf(program, values), placeOf([...path, name])] as const,
      ),
    ),
  );
  return [...grouped(cases)]
    .filter(([words]) => words !== '')
    .map(([words, patterns]) => `    ${patterns.join('|')}) ${action(words)} ;;`)
    .join('\n');
}

function casesOf(
  program: string,
  tree: readonly CommandNode[],
  action: (words: string) => string,
): string {
  const cases = tree.map(({ path, subcommands, options, values }) => {
    const fixed = [...subcommands.map(({ name }) => name), ...options.map(({ flag }) => flag)];
    const words = [...fixed, wordsOf(program, values)].filter((each) => each !== '');
    return [words.join(' '), placeOf(path)] as const;
  });
  return [...grouped(cases)]
    .map(([words, patterns]) => `    ${patterns.join('|')}) ${action(words)} ;;`)
    .join('\n');
}

/** One `complete` for each thing that may follow, with all commands that it may follow: most options belong to many commands. */
function fishLines(program: string, tree: readonly CommandNode[]): readonly string[] {
  const lines = tree.flatMap(({ path, subcommands, options, values }) => {
    const words = [...subcommands.map(fishSubcommand), fishWords(program, values)];
    const own = words.filter((word) => word !== '').join(' ');
    const following = options.map((option) => fishOption(program, option));
    if (own !== '') following.push(`-f -a ${quoted(own)}`);
    return following.map((line) => [line, placeOf(path)] as const);
  });
  const byPlaces = grouped([...grouped(lines)].map(([line, places]) => [places.join(' '), line]));
  return [...byPlaces].flatMap(([places, own], index) => {
    const is = `__${program}_at_${index}`;
    return [
      `function ${is}; __${program}_at ${places}; end`,
      ...own.map((line) => `complete -c ${program} -n ${is} ${line}`),
    ];
  });
}

function fishSubcommand({ name, description }: CommandNode['subcommands'][number]): string {
  return `${name}\\t${quoted(description)}`;
}

function fishOption(
  program: string,
  { flag, short, description, values }: CommandNode['options'][number],
): string {
  const words = fishWords(program, values);
  const also = short === undefined ? '' : ` -s ${short.slice(1)}`;
  const choice = words === '' ? '' : ` -x -a ${quoted(words)}`;
  return `-l ${flag.slice(2)}${also} -d ${quoted(description)}${choice}`;
}

function fishWords(program: string, { words, list }: Values): string {
  const names = list === undefined ? [] : [`(__${program}_names ${list})`];
  return [...words, ...names].join(' ');
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

/** The second members by their first one, in order. */
function grouped(
  pairs: readonly (readonly [string, string])[],
): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>();
  for (const [key, value] of pairs) {
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [value]);
    else group.push(value);
  }
  return groups;
}
