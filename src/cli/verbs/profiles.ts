import type { CliContext } from '../context.ts';
import { table } from '../output/table.ts';
import { ProfileFiles } from '../profile/profile-files.ts';

export async function runProfiles({ environment, output }: CliContext): Promise<void> {
  const files = new ProfileFiles(environment.configDirectory);
  const current = await files.current();
  const items: { name: string; url: string; as: string; current: boolean }[] = [];
  for (const name of await files.names()) {
    const profile = await files.read(name);
    if (profile === undefined) continue;
    const { url, login } = profile;
    items.push({ name, url, as: login.kind, current: name === current });
  }
  await output.show({ items }, () =>
    table(
      ['name', 'broker', 'as', 'current'],
      items.map((each) => [each.name, each.url, each.as, each.current]),
    ),
  );
}
