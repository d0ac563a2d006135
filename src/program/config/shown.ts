import { isMap } from './changes.ts';
import type { Config } from './schema.ts';

const ADDRESS = /^([a-z][a-z0-9+.-]*:\/\/)(?:[^/?#]*@)?([^/?#]*)(.*)$/is;

/**
 * The settings for people: with defaults and the environment applied. No setting has a secret; a setting names the file that has it. An address is shown without user,
 * path and query, because receivers of webhooks use them as a password.
 */
export function shownSettings(config: Config): Readonly<Record<string, unknown>> {
  return shown(config) as Readonly<Record<string, unknown>>;
}

function shown(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shown);
  if (isMap(value))
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, shown(each)]));
  if (typeof value !== 'string') return value;
  const [, scheme, host, rest = ''] = ADDRESS.exec(value) ?? [];
  if (scheme === undefined || host === undefined) return value;
  return `${scheme}${host}${/^\/?$/.test(rest) ? rest : '/…'}`;
}
