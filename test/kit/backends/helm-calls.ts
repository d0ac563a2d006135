import { runTool, type ToolOutcome } from './run-tool.ts';
import type { Tool } from './tool.ts';

/** Runs Helm to its end. `values` are passed as a values file (JSON is YAML) on standard input, for the argument `-`. */
export function runHelm(
  helm: Tool,
  args: readonly string[],
  values: object = {},
): Promise<ToolOutcome> {
  const { directory } = helm;
  const env = {
    HELM_CACHE_HOME: directory,
    HELM_CONFIG_HOME: directory,
    HELM_DATA_HOME: directory,
  };
  return runTool(helm, args, { input: JSON.stringify(values), env });
}
