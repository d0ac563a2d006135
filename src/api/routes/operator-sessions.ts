import * as z from 'zod';
import { endMatchingSessions, listSessions as list } from '../../broker/sessions/sessions.ts';
import type { SessionSelector } from '../../broker/state/select-sessions.ts';
import { instant } from '../../domain/time/instant.ts';
import type { Session } from '../../domain/identity/principal.ts';
import { workloadId } from '../../domain/identity/workload.ts';
import {
  cidrBlock,
  identifier,
  objectName,
  podUid,
  remark,
  workloadName,
} from '../request/fields.ts';
import { PAGE_QUERY, readPage, pageJson } from '../request/page-query.ts';
import { parseInput, parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';
import type { Shape } from '../contract/shapes.ts';

export const listSessions: RouteOf<'listSessions'> = {
  query: ['workload', 'cluster', 'pod', 'source', ...PAGE_QUERY],
  read: ({ query }) => {
    const filter = {
      workload: parseParameter(workloadName.optional(), query.get('workload')),
      cluster: parseParameter(objectName.optional(), query.get('cluster')),
      pod: parseParameter(podUid.optional(), query.get('pod')),
      source: parseParameter(cidrBlock.optional(), query.get('source')),
    };
    const page = readPage(query);
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: pageJson(await list(parts, call, caller, { filter, page }), sessionJson),
    });
  },
};

const comment = remark.optional();
const selection = z.discriminatedUnion('by', [
  z.strictObject({ by: z.literal('id'), id: identifier, comment }),
  z.strictObject({ by: z.literal('pod'), cluster: objectName, pod: podUid, comment }),
  z.strictObject({ by: z.literal('workload'), workload: workloadName, comment }),
  z.strictObject({ by: z.literal('cluster'), cluster: objectName, comment }),
  z.strictObject({ by: z.literal('source'), source: cidrBlock, comment }),
]);

export const endSessions: RouteOf<'endSessions'> = {
  body: { maxBytes: 4_096 },
  read: ({ body }) => {
    const asked = parseInput(selection, body?.value);
    const request = { selector: selectorOf(asked), comment: asked.comment };
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: await endMatchingSessions(parts, call, caller, request),
    });
  },
};

function selectorOf(asked: z.infer<typeof selection>): SessionSelector {
  switch (asked.by) {
    case 'id':
      return { id: asked.id };
    case 'pod':
      return { cluster: asked.cluster, pod: asked.pod };
    case 'workload':
      return { workload: asked.workload };
    case 'cluster':
      return { cluster: asked.cluster };
    case 'source':
      return { source: asked.source };
  }
}

/** A session in the form for operators, without its token. */
function sessionJson({
  id,
  workload,
  source,
  createdAt,
  endsAt,
  senderKey,
}: Session): Shape<'ListedSession'> {
  return {
    id,
    workload: workloadId(workload),
    ...(workload.pod !== undefined && { pod: workload.pod }),
    source,
    createdAt: instant(createdAt),
    endsAt: instant(endsAt),
    ...(senderKey !== undefined && { keyThumbprint: senderKey.thumbprint }),
  };
}
