import { ApiError, type PagedId } from '../../client/index.ts';
import { isName, isSecretPath } from '../../domain/words/names.ts';
import { callWith, type Broker } from '../connection/broker.ts';
import { ProfileFiles } from '../connection/profiles.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { counted } from '../kernel/count.ts';
import { UsageError } from '../kernel/errors.ts';

/** Most names of one list: a shell reads all of them at each Tab. */
const MOST_NAMES = 10_000;
const PAGE = 1_000;

/** Saves the names that the caller may list, so that a Tab sends nothing. */
export async function runProfileNames(
  context: CliContext,
  { options }: Call<{ readonly forget?: boolean }>,
): Promise<void> {
  const { profileName } = await context.target();
  if (profileName === undefined) {
    throw new UsageError('names are saved for a profile: leave out --token-file and its variable');
  }
  const files = new ProfileFiles(context.environment);
  if (options.forget === true) {
    await files.writeNames(profileName, {});
    await context.output.say(`deleted the saved names of profile "${profileName}"`);
    return;
  }
  const broker = await context.broker();
  // A shell expands the words that it completes, so only names of plain characters are saved.
  const paths = (await listed(broker, 'listSecrets', 'path')).filter(isSecretPath);
  const mounts = (await listed(broker, 'listMounts', 'name')).filter(isName);
  const policies = (await listed(broker, 'listPolicies', 'name')).filter(isName);
  await files.writeNames(profileName, { paths, mounts, policies });
  const counts = [
    counted(paths.length, 'path'),
    counted(mounts.length, 'mount'),
    counted(policies.length, 'policy', 'policies'),
  ];
  await context.output.say(`saved ${counts.join(', ')} for profile "${profileName}"`);
}

/** Names of a list; none if the caller may not list it. */
async function listed(broker: Broker, id: PagedId, member: string): Promise<readonly string[]> {
  const names: string[] = [];
  let after: string | undefined;
  try {
    do {
      const query = { limit: PAGE, ...(after !== undefined && { after }) };
      const { body } = await callWith(broker, id, { query });
      for (const item of body.items) names.push(String((item as Record<string, unknown>)[member]));
      after = body.next;
    } while (after !== undefined && names.length < MOST_NAMES);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 403) throw error;
  }
  return names.slice(0, MOST_NAMES);
}
