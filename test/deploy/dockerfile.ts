import { readFileSync } from 'node:fs';

/** One instruction: `COPY`, and its arguments. */
export interface Instruction {
  readonly keyword: string;
  readonly rest: string;
}

/**
 * The instructions of a Dockerfile with their continued lines joined, in the stages that `FROM` begins; instructions
 * before the first one are separate.
 */
export function stagesOf(file: string): {
  readonly before: readonly Instruction[];
  readonly stages: readonly (readonly Instruction[])[];
} {
  const lines = readFileSync(file, 'utf8')
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');
  const before: Instruction[] = [];
  const stages: Instruction[][] = [];
  for (const line of lines) {
    const [, keyword = '', rest = ''] = /^([A-Z]+)\s+(.*)$/.exec(line.trim()) ?? [];
    if (keyword === '') throw new Error(`not an instruction: ${line}`);
    if (keyword === 'FROM') stages.push([]);
    (stages.at(-1) ?? before).push({ keyword, rest });
  }
  return { before, stages };
}

/** The command of an exec-form instruction. @throws SyntaxError for the shell form */
export function execForm(rest: string): readonly string[] {
  return JSON.parse(rest.slice(rest.indexOf('['))) as readonly string[];
}
