import { checkMount as check } from '../../broker/documents/check-mount.ts';
import { objectName } from '../request/fields.ts';
import { parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../contract/route.ts';

export const checkMount: RouteOf<'checkMount'> = {
  read: ({ params }) => {
    const name = parseParameter(objectName, params['name']);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: await check(parts, call, caller, name),
    });
  },
};
