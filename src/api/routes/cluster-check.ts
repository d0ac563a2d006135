import { checkCluster as check } from '../../broker/documents/check-cluster.ts';
import { objectName } from '../request/fields.ts';
import { parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../contract/route.ts';

export const checkCluster: RouteOf<'checkCluster'> = {
  read: ({ params }) => {
    const name = parseParameter(objectName, params['name']);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: await check(parts, call, caller, name),
    });
  },
};
