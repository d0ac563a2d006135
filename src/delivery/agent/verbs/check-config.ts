import { outputsOf } from '../../settings/outputs-of.ts';
import type { Settings } from '../../settings/settings.ts';
import { outputProblems } from '../../files/check-outputs.ts';
import { ConfigError } from '../../failures.ts';

/** What the schema cannot know: places that meet, templates. @throws ConfigError with every problem */
export async function checkConfig(settings: Settings): Promise<void> {
  const problems = await outputProblems(outputsOf(settings));
  if (problems.length > 0) throw new ConfigError('files', problems);
}
