import type { Command, Option } from 'commander';

/** One executable command, with the heading of its group in the help. */
export interface Leaf {
  readonly heading: string;
  /** Its words after the program's name. */
  readonly path: string;
  readonly command: Command;
}

/** All commands of a program, without those that only group others. */
export function leavesOf(program: Command): readonly Leaf[] {
  return program.commands.flatMap((each) => {
    const heading = each.helpGroup().replace(/:$/, '');
    return leavesBelow(each, each.name()).map((leaf) => ({ heading, ...leaf }));
  });
}

function leavesBelow(command: Command, path: string): readonly Omit<Leaf, 'heading'>[] {
  if (command.commands.length === 0) return [{ path, command }];
  return command.commands.flatMap((each) => leavesBelow(each, `${path} ${each.name()}`));
}

/** The examples in the help of a command, each a whole command line. */
export function examplesOf(command: Command): readonly string[] {
  let help = '';
  command.configureOutput({ writeOut: (text) => void (help += text) }).outputHelp();
  const [, examples = ''] = /^Examples?:\n((?: {2}.*\n)+)/m.exec(help) ?? [];
  return examples.trim().split(/\n */);
}

/** The page with its contents list and the chapters of all commands from the help. The introductions of the sections are kept. */
export function withReference(page: string, program: Command): string {
  const leaves = leavesOf(program);
  const [head = '', ...sections] = page.split(/^(?=## )/m);
  const rendered = sections.map((section) => {
    const title = /^## (.*)/.exec(section)?.[1] ?? '';
    if (title === 'Contents') return `## Contents\n\n${contents(sections, leaves)}\n\n`;
    const own = leaves.filter(({ heading }) => heading === title);
    if (own.length === 0) return `${section.trim()}\n\n`;
    const introduction = section.split(/^### `/m)[0]?.trim() ?? '';
    return `${[introduction, ...own.map(chapter)].join('\n\n')}\n\n`;
  });
  return `${[head, ...rendered].join('').trim()}\n`;
}

function contents(sections: readonly string[], leaves: readonly Leaf[]): string {
  const titles = sections.map((section) => /^## (.*)/.exec(section)?.[1] ?? '');
  return titles
    .filter((title) => title !== 'Contents')
    .map((title) => {
      const own = leaves.filter(({ heading }) => heading === title);
      const links = own.map((leaf) => `[${leaf.path}](#${slug(`quaymaster ${usage(leaf)}`)})`);
      return `- [${title}](#${slug(title)})${links.length === 0 ? '' : `: ${links.join(', ')}`}`;
    })
    .join('\n');
}

/** The anchor that GitHub gives a heading. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^a-z0-9 -]/g, '')
    .replaceAll(' ', '-');
}

function usage({ path, command }: Leaf): string {
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [path, ...words].join(' ');
}

function chapter(leaf: Leaf): string {
  const { command } = leaf;
  const description = command.description();
  const text = description.charAt(0).toUpperCase() + description.slice(1);
  const examples = ['```sh', ...examplesOf(command), '```'].join('\n');
  const options = ownOptions(command).map(optionLine);
  const table = ['| option | description | default |', '|---|---|---|', ...options].join('\n');
  return [
    `### \`quaymaster ${usage(leaf)}\``,
    linked(text.endsWith('.') ? text : `${text}.`),
    examples,
    ...(options.length === 0 ? [] : [table]),
  ].join('\n\n');
}

/** Without the options that every command has, which the page describes once. */
function ownOptions({ options }: Command): readonly Option[] {
  return options.filter(
    ({ long, helpGroupHeading }) => long !== '--output' && helpGroupHeading !== 'Connection:',
  );
}

function optionLine({ flags, description, argChoices, mandatory, defaultValue }: Option): string {
  const choices = argChoices === undefined ? '' : `: ${argChoices.join(', ')}`;
  const fallback = defaultValue === undefined ? '' : `\`${String(defaultValue)}\``;
  return `| \`${flags}\` | ${linked(description)}${choices} | ${mandatory ? 'required' : fallback} |`;
}

/** Names of pages as links, and names of workloads as code, because Markdown takes their angle brackets for tags. */
function linked(text: string): string {
  return text
    .replace(/docs\/([\w-]+\.md)/g, '[$1]($1)')
    .replace(/(?:k8s|ci):\/\/\S*>/g, (name) => `\`${name}\``);
}
