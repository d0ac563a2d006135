import { checkCluster as cluster } from '../../broker/documents/check-cluster.ts';
import { checkMount as mount } from '../../broker/documents/check-mount.ts';
import type { RouteOf } from '../request/route.ts';
import { objectName } from '../request/fields.ts';
import { parseParameter } from '../request/parse-input.ts';

/** The route of a check of the document that the path names. */
function checking(check: typeof cluster | typeof mount): RouteOf<'checkMount'> {
  return {
    read: ({ params }) => {
      const name = parseParameter(objectName, params['name']);
      return async ({ parts, call, caller }) => ({
        status: 200,
        body: await check(parts, call, caller, name),
      });
    },
  };
}

export const checkCluster: RouteOf<'checkCluster'> = checking(cluster);
export const checkMount: RouteOf<'checkMount'> = checking(mount);
