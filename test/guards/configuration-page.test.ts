import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { checkConfig } from '../../src/program/config/load.ts';
import { configSchema } from '../../src/program/config/schema.ts';
import { optionsOf } from '../kit/pages/schema-settings.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

const page = textOf('docs/configuration.md') + textOf('docs/connections.md');
/** Settings in the tables, with their second column. */
const rows = [...page.matchAll(/^\| `([^`]+)` \| ([^|]*) \|/gm)].map(
  ([, place = '', fallback = '']) => [place, fallback.trim()] as const,
);
const options = optionsOf(configSchema);
const places = new Set(options.map(({ place }) => place));

/** The pages explain Vault logins once, for connections and for both key-encryption keys, and a listener once, for three. */
function sharedPlace(given: string): string {
  const place = given
    .replace(/^secondKek\./, 'kek.')
    .replace(/^(?:vaultApi|console)\.listener\./, 'listener.');
  const shared = place.replace(/^kek\./, 'connections.<name>.');
  return rows.some(([row]) => row === place) || !places.has(shared) ? place : shared;
}

describe('docs/configuration.md and docs/connections.md', () => {
  it('have every setting that the schema accepts, and no other', () => {
    const documented = rows.map(([place]) => place);
    expect([...documented].sort()).toEqual([...new Set(documented)].sort());
    expect([...places].map(sharedPlace).filter((place) => !documented.includes(place))).toEqual([]);
    expect(documented.filter((place) => !places.has(place))).toEqual([]);
  });

  it('state every default correctly', () => {
    const differing = options
      .filter(({ place, fallback }) => {
        const said = rows.find(([row]) => row === place)?.[1];
        const isVariant = /\.auth\.(?:mount|tokenFile)$|>\.port$/.test(place);
        if (said === undefined || isVariant) return false;
        return fallback === undefined
          ? said.startsWith('`')
          : said !== '' && !said.startsWith(`\`${fallback}\``);
      })
      .map(({ place, fallback }) => ({ place, fallback }));
    expect(differing).toEqual([]);
  });

  it('leave no default out', () => {
    const silent = rows.filter(([, fallback]) => fallback === '').map(([place]) => place);
    expect(silent).toEqual([]);
  });

  it('begin with a valid file', () => {
    const [, example = ''] = /```yaml\n([^]*?)```/.exec(page) ?? [];
    expect(checkConfig(load(example), 'docs/configuration.md').mode).toBe('production');
  });
});
