import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { Tool } from './tool.ts';

/** The result of a Helm run. */
export interface HelmOutcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs Helm to its end. `values` are passed as a values file (JSON is YAML) on standard input, for the argument `-`. */
export async function runHelm(
  helm: Tool,
  args: readonly string[],
  values: object = {},
): Promise<HelmOutcome> {
  const { directory } = helm;
  const child = spawn(helm.program, args, {
    env: {
      PATH: process.env['PATH'],
      HOME: directory,
      HELM_CACHE_HOME: directory,
      HELM_CONFIG_HOME: directory,
      HELM_DATA_HOME: directory,
    },
    stdio: 'pipe',
  });
  child.stdin.end(JSON.stringify(values));
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}
