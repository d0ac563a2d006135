import {
  deleteEvidence as remove,
  listEvidence as list,
  pushEvidence as push,
  readEvidence as read,
} from '../evidence.ts';
import {
  judgeWriter,
  requireWriter,
  tenantOf,
} from '../../../broker/recording/evidence-writers.ts';
import { MAX_REPORT_BYTES } from '../report-text.ts';
import { countedEvidenceJson, evidenceDetailsJson, evidenceJson } from './evidence-json.ts';
import { identifier, imageDigest } from '../../../api/request/fields.ts';
import { PAGE_QUERY, readPage, pageJson } from '../../../api/request/page-query.ts';
import { bytesOf } from '../../../api/request/body/read-body.ts';
import { parseParameter } from '../../../api/request/parse-input.ts';
import type { RouteOf } from '../../../api/request/route.ts';

export const pushEvidence: RouteOf<'pushEvidence'> = {
  // A report is a text in the body: its quotes and line ends take two characters.
  body: { maxBytes: 2 * MAX_REPORT_BYTES, isForThread: true },
  judge: () => judgeWriter({ action: 'evidence.write' }),
  requireRoom: ({ parts, call, caller }) => {
    const tenant = tenantOf(requireWriter(parts, caller));
    parts.reports.requireRoom({ tenant, spend: (ms) => call.spend(ms) });
    return tenant;
  },
  read: ({ body }) => {
    const bytes = bytesOf(body);
    return async ({ parts, call, caller }) => {
      const items = await push(parts, call, caller, bytes);
      return { status: 200, body: { items: items.map(countedEvidenceJson) } };
    };
  },
};

export const listEvidence: RouteOf<'listEvidence'> = {
  query: [...PAGE_QUERY, 'image'],
  read: ({ query }) => {
    const page = readPage(query);
    const image = parseParameter(imageDigest.optional(), query.get('image'));
    return async ({ parts, call, caller }) => ({
      status: 200,
      body: pageJson(await list(parts, call, caller, { image, page }), evidenceJson),
    });
  },
};

export const readEvidence: RouteOf<'readEvidence'> = {
  read: ({ params }) => {
    const id = parseParameter(identifier, params['id']);
    return async ({ parts, call, caller }) => {
      const evidence = await read(parts, call, caller, id);
      return { status: 200, body: evidenceDetailsJson(evidence) };
    };
  },
};

export const deleteEvidence: RouteOf<'deleteEvidence'> = {
  read: ({ params }) => {
    const id = parseParameter(identifier, params['id']);
    return async ({ parts, call, caller }) => {
      await remove(parts, call, caller, id);
      return { status: 204 };
    };
  },
};
