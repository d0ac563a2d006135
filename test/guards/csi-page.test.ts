import { describe, expect, it } from '@jest/globals';
import { settingsSchema } from '../../src/delivery/csi/settings.ts';
import { optionsOf } from '../kit/pages/schema-settings.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

const [, table = ''] = /## Setting up([^]*?)## Objects/.exec(textOf('docs/csi.md')) ?? [];
const rows = [...table.matchAll(/^\| `([^`]+)` \| ([^|]*) \|/gm)].map(
  ([, place = '', fallback = '']) => [place, fallback.trim()] as const,
);

describe('docs/csi.md', () => {
  it('has every setting of the provider with its default, and no other', () => {
    const options = optionsOf(settingsSchema);
    expect(rows.map(([place]) => place)).toEqual(options.map(({ place }) => place));
    const said = rows.filter(([, fallback]) => fallback.startsWith('`'));
    const known = options.filter(({ fallback }) => fallback !== undefined);
    expect(said).toEqual(known.map(({ place, fallback }) => [place, `\`${fallback ?? ''}\``]));
  });
});
