import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import type { z } from 'zod';
import { VARIABLES } from '../../src/delivery/agent/environment.ts';
import { checkSettings, settingsSchema } from '../../src/delivery/settings/settings.ts';
import { EXIT } from '../../src/delivery/failures.ts';
import { optionsOf } from '../kit/pages/schema-settings.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

const page = textOf('docs/agent.md');
/** Settings in the table: place, default, variable. */
const rows = [...page.matchAll(/^\| `([^`]+)` \| ([^|]*) \| (?:`(QUAYMASTER_\w+)`)? *\| ?/gm)].map(
  ([, place = '', fallback = '', variable]) => ({ place, fallback: fallback.trim(), variable }),
);
const options = optionsOf(settingsSchema as unknown as z.ZodType);

describe('docs/agent.md', () => {
  it('has every setting that the schema accepts, once, and no other', () => {
    expect(rows.map(({ place }) => place).sort()).toEqual(options.map(({ place }) => place).sort());
  });

  it('states every default correctly', () => {
    const differing = options.filter(({ place, fallback }) => {
      const said = rows.find((row) => row.place === place)?.fallback ?? '';
      return fallback === undefined
        ? said === '' || said.startsWith('`')
        : said !== `\`${fallback}\``;
    });
    expect(differing).toEqual([]);
  });

  it('names every environment variable', () => {
    const said = rows.flatMap(({ place, variable }) =>
      variable === undefined ? [] : [[variable, place]],
    );
    const read = [...VARIABLES].map(([variable, [place]]) => [variable, place]);
    expect(said.sort()).toEqual(read.sort());
  });

  it('explains every exit code', () => {
    for (const code of Object.values(EXIT)) expect(page).toContain(`\n| ${code} | `);
  });

  it('begins with a valid configuration', () => {
    const [, example = ''] = /```yaml\n([^]*?)```/.exec(page) ?? [];
    expect(checkSettings(load(example), 'docs/agent.md').cluster).toBe('prod-eu');
  });
});
