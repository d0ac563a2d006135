import { readFileSync } from 'node:fs';

/** One instruction: `COPY`, and what follows it. */
export interface Instruction {
  readonly keyword: string;
  readonly rest: string;
}

/** The instructions of a Dockerfile with their continued lines joined, in the stages that `FROM` begins; what precedes the first is apart. */
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

/** What an exec-form instruction runs. @throws SyntaxError for the shell form */
export function execForm(rest: string): readonly string[] {
  return JSON.parse(rest.slice(rest.indexOf('['))) as readonly string[];
}
