import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { textOf } from './tracked-files.ts';

/** A block of commands that a page shows. `outside` ones need something that neither the page nor the quickstart creates: a cluster, a server, root, a value of the reader. */
export interface ShellBlock {
  readonly text: string;
  readonly line: number;
  readonly isOutside: boolean;
}

export const SHELLS = ['bash', 'zsh'] as const;
export type Shell = (typeof SHELLS)[number];

/** Interactive and reading standard input, as a terminal does: zsh then has no comments, and both expand `!`. No start-up files of the machine. */
const ARGUMENTS: Readonly<Record<Shell, readonly string[]>> = {
  bash: ['--noprofile', '--norc', '--noediting', '-i', '-s'],
  zsh: ['-f', '-i', '-s', '-o', 'no_prompt_sp', '-o', 'no_prompt_cr'],
};
/** Standard error is the output of the shell: zsh calls the trap inside a function whose standard output goes to a file. */
const REPORT_FAILURES: Readonly<Record<Shell, string>> = {
  bash: `trap 'printf "\\n@failed %s\\n" $? >&2' ERR; set -H`,
  zsh: `TRAPZERR() { printf "\\n@failed %s\\n" $? >&2 }`,
};

export function shellBlocks(page: string): readonly ShellBlock[] {
  const text = textOf(page);
  return [...text.matchAll(/^( *)```sh( outside)?\n([^]*?)^ *```$/gm)].map(
    ({ 1: indent = '', 2: outside, 3: block = '', index }) => ({
      text: block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
      line: text.slice(0, index).split('\n').length,
      isOutside: outside !== undefined,
    }),
  );
}

export interface Pasted {
  /** Outputs of the blocks. */
  readonly outputs: readonly string[];
  /** Commands that failed and lines that the shell did not understand, with the number of their block. */
  readonly problems: readonly string[];
}

/** Pastes blocks, one after another, into one interactive shell. */
export async function paste(
  shell: Shell,
  blocks: readonly string[],
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<Pasted> {
  // A session of its own: an interactive shell would take the terminal of the tests.
  const child = spawn(shell, ARGUMENTS[shell], { ...options, detached: true, stdio: 'pipe' });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.resume();
  const script = blocks.map((block, index) => `${block}\necho; echo "@end ${index}"\n`);
  child.stdin.end(`PS1= PS2=\nexec 2>&1\n${REPORT_FAILURES[shell]}\n${script.join('')}exit 0\n`);
  await once(child, 'exit');
  const outputs = output.split(/^@end \d+\n/m).slice(0, blocks.length);
  const ended = output.match(/^@end \d+$/gm)?.length ?? 0;
  const problems = outputs.flatMap((text, index) =>
    (text.match(/^(?:@failed \d+|(?:bash|zsh): .*)$/gm) ?? []).map((line) => `${index}: ${line}`),
  );
  if (ended < blocks.length) problems.push(`${ended}: the shell did not reach its end`);
  return { outputs, problems };
}
