import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Tool } from './tool.ts';

/** The result of a run of a tool. */
export interface ToolOutcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Run of a tool: its directory, its input and its additional variables. */
export interface ToolRun {
  readonly cwd?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a tool to its end. Its home is its own directory, and it sees no variables of this process but PATH and GOGC. */
export async function runTool(
  { program, directory }: Pick<Tool, 'program' | 'directory'>,
  args: readonly string[],
  { cwd, input = '', env = {} }: ToolRun = {},
): Promise<ToolOutcome> {
  const child = spawn(program, args, {
    cwd,
    env: {
      PATH: process.env['PATH'],
      GOGC: process.env['GOGC'],
      HOME: directory,
      TMPDIR: directory,
      ...env,
    },
    stdio: 'pipe',
  });
  // A tool may end without reading its input.
  child.stdin.on('error', () => undefined).end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}
