import type { Command } from 'commander';

/** One command as a shell completes it. */
export interface CommandNode {
  /** The words that lead to it, without the program's name. */
  readonly path: readonly string[];
  readonly subcommands: readonly { readonly name: string; readonly description: string }[];
  /** Long flags with their dashes. */
  readonly options: readonly { readonly flag: string; readonly description: string }[];
}

/** Every command of a program, itself first. */
export function commandTree(
  command: Command,
  path: readonly string[] = [],
): readonly CommandNode[] {
  const { commands, options } = command;
  const node: CommandNode = {
    path,
    subcommands: commands.map((each) => ({
      name: each.name(),
      description: each.description(),
    })),
    options: options.flatMap(({ long, description }) =>
      typeof long === 'string' ? [{ flag: long, description }] : [],
    ),
  };
  return [node, ...commands.flatMap((each) => commandTree(each, [...path, each.name()]))];
}
