import type { CommandNode } from './command-tree.ts';

type Shell = 'bash' | 'zsh' | 'fish';

/** A script that completes commands and options; it asks no broker, so that a Tab sends nothing. */
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

/** The commands below the program, each as the quoted words that lead to it. */
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
