import type { Command } from 'commander';
import type { Verb } from './context.ts';

/** Command as a shell completes it. */
export interface CommandNode {
  /** Words that lead to the command, without the program's name. */
  readonly path: readonly string[];
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
  /** Long flags with their dashes. */
  readonly options: readonly { readonly flag: string; readonly description: string }[];
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
  const { commands, options } = command;
  const node: CommandNode = {
    path,
    subcommands: commands.map((each) => ({
      name: each.name(),
      description: each.summary() || each.description(),
    })),
    options: options.flatMap(({ long, description }) =>
      typeof long === 'string' ? [{ flag: long, description }] : [],
    ),
  };
  return [node, ...commands.flatMap((each) => commandTree(each, [...path, each.name()]))];
}

/** A script that completes commands and options. It calls no broker, so a Tab sends nothing. */
export function completionScript(
  shell: Shell,
  program: string,
  tree: readonly CommandNode[],
): string {
  return SCRIPTS[shell](program, tree);
}

const SCRIPTS: Readonly<Record<Shell, (program: string, tree: readonly CommandNode[]) => string>> =
  {
    bash: (program, tree) => `# bash completion of ${program}: source <(${program} completion bash)
_${program}() {
  local cur=\${COMP_WORDS[COMP_CWORD]} at='' word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
      ${placesOf(tree)}) at="$at $word" ;;
    esac
  done
  case "$at" in
${casesOf(tree, (words) => `COMPREPLY=($(compgen -W '${words}' -- "$cur"))`)}
  esac
}
complete -o default -F _${program} ${program}
`,
    zsh: (program, tree) => `#compdef ${program}
# zsh completion of ${program}: source <(${program} completion zsh)
_${program}() {
  local at='' word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
      ${placesOf(tree)}) at="$at $word" ;;
    esac
  done
  case "$at" in
${casesOf(tree, (words) => `compadd -- ${words}`)}
  esac
  _files
}
compdef _${program} ${program}
`,
    fish: (program, tree) => `# fish completion of ${program}: ${program} completion fish | source
function __${program}_at
  set -l at
  for word in (commandline -opc)[2..]
    switch "$at $word"
      case ${placesOf(tree).replaceAll('|', ' ')}
        set at "$at $word"
    end
  end
  test "$at" = "$argv[1]"
end
${tree.flatMap((node) => fishLines(program, node)).join('\n')}
`,
  };

/** The paths of all commands, quoted, as alternatives of a `case`. */
function placesOf(tree: readonly CommandNode[]): string {
  return tree
    .filter(({ path }) => path.length > 0)
    .map(({ path }) => `'${placeOf(path)}'`)
    .join('|');
}

function placeOf(path: readonly string[]): string {
  return path.map((word) => ` ${word}`).join('');
}

function casesOf(tree: readonly CommandNode[], action: (words: string) => string): string {
  return tree
    .map(({ path, subcommands, options }) => {
      const words = [...subcommands.map(({ name }) => name), ...options.map(({ flag }) => flag)];
      return `    '${placeOf(path)}') ${action(words.join(' '))} ;;`;
    })
    .join('\n');
}

function fishLines(
  program: string,
  { path, subcommands, options }: CommandNode,
): readonly string[] {
  const begin = `complete -c ${program} -n "__${program}_at '${placeOf(path)}'"`;
  return [
    ...subcommands.map(
      ({ name, description }) => `${begin} -f -a ${name} -d ${quoted(description)}`,
    ),
    ...options.map(
      ({ flag, description }) => `${begin} -l ${flag.slice(2)} -d ${quoted(description)}`,
    ),
  ];
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
