import type { Command, Option } from 'commander';
import { DOCUMENT_KINDS } from '../src/cli/documents/kinds.ts';

/** The page that is written from the help. docs/cli.md has the rules for all commands. */
export const COMMAND_PAGE = 'docs/commands.md';
/** Common options are before the groups. */
const COMMON_OPTIONS = 'Common options';
/** The commands that every kind of document has. */
const DOCUMENT_VERBS: readonly string[] = ['ls', 'get', 'rm', 'versions'];
const DOCUMENTS = `quaymaster <kind> ${DOCUMENT_VERBS.join('|')}`;
const [FIRST_KIND] = DOCUMENT_KINDS;

/** Descriptions of options by their flags. */
type Lines = ReadonlyMap<string, string>;

/** One executable command, with the heading of its group in the help. */
export interface Leaf {
  readonly heading: string;
  /** Words of the command after the program's name. */
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

/** The page of all commands: a list of contents, the options that several groups share, and a section for each group. */
export function commandPage(program: Command): string {
  const leaves = leavesOf(program);
  const common = optionsOfSeveralGroups(leaves.filter((leaf) => documentVerb(leaf) === undefined));
  const groups = [...Map.groupBy(leaves, ({ heading }) => heading)];
  const contents = groups.map(
    ([heading, own]) => `[${heading}](#${slug(heading)}): ${linksTo(own).join(', ')}`,
  );
  return `${[
    '# All commands',
    'This page has every command, by group, with an example and its options. The `--help` of a command explains more. [The command line](cli.md) has the rules for all of them.',
    block(['quaymaster get --help']),
    '## Contents',
    list([`[${COMMON_OPTIONS}](#${slug(COMMON_OPTIONS)})`, ...contents]),
    `## ${COMMON_OPTIONS}`,
    'A command names an option after *Also* if it is described here, or at the beginning of its group.',
    list([...common.values()]),
    ...groups.flatMap(([heading, own]) => [`## ${heading}`, ...reference(own, common)]),
  ].join('\n\n')}\n`;
}

function linksTo(leaves: readonly Leaf[]): readonly string[] {
  const single = leaves.filter((leaf) => documentVerb(leaf) === undefined);
  const documents = leaves.some(isOfFirstKind)
    ? [`[documents of each kind](#${slug(DOCUMENTS)})`]
    : [];
  const links = single.map((leaf) => `[${leaf.path}](#${slug(`quaymaster ${usage(leaf)}`)})`);
  return [...documents, ...links];
}

/**
 * Writes the reference of a group: options that its commands share, documents of every kind, and a chapter for each command.
 */
function reference(leaves: readonly Leaf[], common: Lines): readonly string[] {
  const documents = leaves.filter(isOfFirstKind);
  const single = leaves.filter((leaf) => documentVerb(leaf) === undefined);
  const ofGroup = optionsOfGroup(single, common);
  const known = new Set([...common.values(), ...ofGroup.values()]);
  return [
    ...(ofGroup.size === 0
      ? []
      : [`Options of several commands:\n\n${list([...ofGroup.values()])}`]),
    ...(documents.length === 0 ? [] : [documentChapter(documents)]),
    ...single.map((leaf) => chapter(leaf, known)),
  ];
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

function chapter(leaf: Leaf, known: ReadonlySet<string>): string {
  const { command } = leaf;
  const options = ownOptions(command);
  const shared = options.filter((option) => known.has(optionLine(option)));
  const own = options.filter((option) => !shared.includes(option));
  const names = shared.map(
    ({ long, mandatory }) => `\`${String(long)}\`${mandatory ? ' (required)' : ''}`,
  );
  const examples = examplesOf(command)
    .filter((line) => line !== `quaymaster ${leaf.path}`)
    .slice(0, 1);
  return [
    `### \`quaymaster ${usage(leaf)}\``,
    summaryOf(command),
    ...(examples.length === 0 ? [] : [block(examples)]),
    ...(own.length === 0 ? [] : [list(own.map((each) => optionLine(each, each.mandatory)))]),
    ...(names.length === 0 ? [] : [`Also: ${names.join(', ')}.`]),
  ].join('\n\n');
}

/** The first paragraph of the description. `--help` has the others. */
function summaryOf(command: Command): string {
  const [text = ''] = command.description().split('\n\n');
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return linked(sentence.endsWith('.') ? sentence : `${sentence}.`);
}

/** `ls` of `cluster ls`, if the command is one of the four that every kind of document has. */
function documentVerb({ path }: Leaf): string | undefined {
  const [word, verb = '', ...more] = path.split(' ');
  const isKind = DOCUMENT_KINDS.some((kind) => kind.word === word);
  return isKind && more.length === 0 && DOCUMENT_VERBS.includes(verb) ? verb : undefined;
}

function isOfFirstKind(leaf: Leaf): boolean {
  return documentVerb(leaf) !== undefined && leaf.path.startsWith(`${FIRST_KIND.word} `);
}

/** One chapter for all kinds of documents, from the help of the first kind: the commands of the others differ in the word only. */
function documentChapter(leaves: readonly Leaf[]): string {
  const { word, plural, parameter } = FIRST_KIND;
  const rows = leaves.map((leaf) => {
    const text = summaryOf(leaf.command).replace(plural, 'documents').replace(word, 'document');
    const options = ownOptions(leaf.command).map((option) => `${optionLine(option)}.`);
    return [`\`${usage(leaf).replace(word, '<kind>')}\`: ${text}`, ...options].join(' ');
  });
  const kinds = DOCUMENT_KINDS.map((kind) => `\`${kind.word}\``).join(', ');
  const others = DOCUMENT_KINDS.filter((kind) => kind.parameter !== parameter).map(
    (kind) => `For \`${kind.word}\`, give the ${kind.parameter} instead of the ${parameter}.`,
  );
  const isDeletion = ({ path }: Leaf) => path.endsWith(' rm');
  const lines = (of: readonly Leaf[]) => of.flatMap(({ command }) => examplesOf(command).slice(-1));
  return [
    `### \`${DOCUMENTS}\``,
    [`The kinds are ${kinds}.`, ...others].join(' '),
    block(lines(leaves.filter((leaf) => !isDeletion(leaf)))),
    'This command deletes a document, and asks first:',
    block(lines(leaves.filter(isDeletion))),
    list(rows),
  ].join('\n\n');
}

/** Options without those that every command has, which the page describes among the rules. */
function ownOptions({ options }: Command): readonly Option[] {
  return options.filter(
    ({ long, helpGroupHeading }) => long !== '--output' && helpGroupHeading !== 'Connection:',
  );
}

/** Options by their flags that commands of several groups have, with the same description. */
function optionsOfSeveralGroups(leaves: readonly Leaf[]): Lines {
  const headings = new Map<string, Set<string>>();
  for (const { heading, command } of leaves) {
    for (const option of ownOptions(command)) {
      const line = optionLine(option);
      headings.set(line, (headings.get(line) ?? new Set()).add(heading));
    }
  }
  return sharedLines(leaves, (line) => (headings.get(line)?.size ?? 0) > 1);
}

/** Options by their flags that several commands of one group have, without those of several groups. */
function optionsOfGroup(leaves: readonly Leaf[], common: Lines): Lines {
  const lines = leaves.flatMap(({ command }) =>
    ownOptions(command).map((each) => optionLine(each)),
  );
  const shared = sharedLines(leaves, (line) => lines.filter((each) => each === line).length > 1);
  return new Map([...shared].filter(([flags]) => !common.has(flags)));
}

/** The shared lines, one for each flag: another description of the same flag stays in the chapters. */
function sharedLines(leaves: readonly Leaf[], isShared: (line: string) => boolean): Lines {
  const options = leaves.flatMap(({ command }) => ownOptions(command));
  const shared = options.filter((option) => isShared(optionLine(option)));
  const found = new Map(shared.toReversed().map((option) => [option.flags, optionLine(option)]));
  return new Map([...found].sort(([one], [other]) => (one < other ? -1 : 1)));
}

function optionLine(
  { flags, description, argChoices, defaultValue }: Option,
  isRequired = false,
): string {
  const choices = argChoices === undefined ? '' : `: ${argChoices.join(', ')}`;
  const fallback = defaultValue === undefined ? '' : `; default: \`${String(defaultValue)}\``;
  return `\`${flags}\`: ${isRequired ? 'required; ' : ''}${linked(description)}${choices}${fallback}`;
}

function block(lines: readonly string[]): string {
  return ['```sh', ...lines, '```'].join('\n');
}

function list(lines: readonly string[]): string {
  return lines.map((line) => `- ${line}`).join('\n');
}

/** Names of pages as links, and names of workloads as code, because Markdown takes their angle brackets for tags. */
function linked(text: string): string {
  return text
    .replace(/docs\/([\w-]+\.md)/g, '[$1]($1)')
    .replace(/(?:k8s|ci):\/\/\S*>/g, (name) => `\`${name}\``);
}
