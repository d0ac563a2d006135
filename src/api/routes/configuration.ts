import {
  readConfiguration as read,
  reloadConfiguration as reload,
} from '../../broker/upkeep/configuration.ts';
import { instant } from '../../domain/time/instant.ts';
import type { ConfigurationInUse } from '../../ports/configuration.ts';
import type { RouteOf } from '../contract/route.ts';

export const readConfiguration: RouteOf<'readConfiguration'> = {
  read:
    () =>
    async ({ parts, call, caller }) => ({
      status: 200,
      body: shown(await read(parts, call, caller)),
    }),
};

export const reloadConfiguration: RouteOf<'reloadConfiguration'> = {
  read:
    () =>
    async ({ parts, call, caller }) => ({
      status: 200,
      body: shown(await reload(parts, call, caller)),
    }),
};

function shown({ generation, digest, loadedAt, failure }: ConfigurationInUse): object {
  return {
    generation,
    digest,
    loadedAt: instant(loadedAt),
    ...(failure && { failure: { at: instant(failure.at), detail: failure.detail } }),
  };
}
