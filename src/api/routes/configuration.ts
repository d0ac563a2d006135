import {
  readConfiguration as read,
  reloadConfiguration as reload,
} from '../../broker/upkeep/configuration.ts';
import { instant } from '../../domain/time/instant.ts';
import type { ConfigurationInUse } from '../../ports/configuration.ts';
import type { RouteOf } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

export const readConfiguration: RouteOf<'readConfiguration'> = {
  read:
    () =>
    async ({ parts, call, caller }) => {
      const { settings, ...inUse } = await read(parts, call, caller);
      return { status: 200, body: { ...configurationJson(inUse), settings } };
    },
};

export const reloadConfiguration: RouteOf<'reloadConfiguration'> = {
  read:
    () =>
    async ({ parts, call, caller }) => ({
      status: 200,
      body: configurationJson(await reload(parts, call, caller)),
    }),
};

function configurationJson({
  generation,
  digest,
  loadedAt,
  failure,
}: ConfigurationInUse): Shape<'ConfigurationInUse'> {
  return {
    generation,
    digest,
    loadedAt: instant(loadedAt),
    ...(failure && { failure: { at: instant(failure.at), detail: failure.detail } }),
  };
}
