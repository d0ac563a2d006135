import * as z from 'zod';
import {
  listRotations as list,
  rotationHistory,
  rotationStatus,
} from '../../rotation/rotation-status.ts';
import { parseSecretPath } from '../../domain/words/names.ts';
import { PAGE_QUERY, readPage, pageJson } from '../request/page-query.ts';
import { parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';
import { listedRotationJson, rotationJson, rotationStatusJson } from '../answer/rotation-json.ts';

const HISTORY_MOST = 100;

export const readRotation: RouteOf<'readRotation'> = {
  read: ({ params }) => {
    const path = parseSecretPath(params['path'] ?? '');
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: rotationStatusJson(await rotationStatus(parts, call, caller, path)),
    });
  },
};

export const readRotationHistory: RouteOf<'readRotationHistory'> = {
  query: PAGE_QUERY,
  read: ({ params, query }) => {
    const path = parseSecretPath(params['path'] ?? '');
    const { limit, after } = readPage(query);
    const page = { after, limit: Math.min(limit, HISTORY_MOST) };
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: pageJson(await rotationHistory(parts, call, caller, { path, page }), rotationJson),
    });
  },
};

const flag = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .optional();
const time = z.iso
  .datetime('dueBefore is a time such as 2026-01-31T00:00:00Z')
  .transform((text) => Date.parse(text))
  .optional();
const state = z.enum(['running', 'parked', 'undoing']).optional();

export const listRotations: RouteOf<'listRotations'> = {
  query: ['dueBefore', 'overdue', 'neverProven', 'state', ...PAGE_QUERY],
  read: ({ query }) => {
    const filter = {
      dueBefore: parseParameter(time, query.get('dueBefore')),
      overdue: parseParameter(flag, query.get('overdue')),
      neverProven: parseParameter(flag, query.get('neverProven')),
      state: parseParameter(state, query.get('state')),
    };
    const page = readPage(query);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: pageJson(await list(parts, call, caller, { filter, page }), listedRotationJson),
    });
  },
};
