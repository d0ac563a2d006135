import { z } from 'zod';
import {
  deleteEvidence as remove,
  listEvidence as list,
  pushEvidence as push,
  readEvidence as read,
} from '../../broker/posture/evidence.ts';
import { judgeWriter, requireWriter, tenantOf } from '../../broker/recording/evidence-writers.ts';
import { MAX_REPORT_BYTES } from '../../broker/posture/report-text.ts';
import { REPORT_FORMATS } from '../../domain/posture/reports/read-report.ts';
import { countedEvidenceJson, evidenceDetailsJson, evidenceJson } from '../answer/evidence-json.ts';
import { identifier, imageDigest } from '../request/fields.ts';
import { PAGE_QUERY, readPage, pageJson } from '../request/page-query.ts';
import { parseInput, parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../contract/route.ts';

const pushed = z.strictObject({
  report: z.string(),
  format: z.enum(REPORT_FORMATS).optional(),
  image: z.array(imageDigest).max(8).default([]),
  covers: z
    .array(z.enum(['vulnerabilities', 'secrets']))
    .min(1)
    .max(2)
    .optional(),
});

export const pushEvidence: RouteOf<'pushEvidence'> = {
  // A report is a text in the body: its quotes and line ends take two characters.
  body: { maxBytes: 2 * MAX_REPORT_BYTES },
  judge: () => judgeWriter({ action: 'evidence.write' }),
  requireRoom: ({ parts, call, caller }) => {
    const tenant = tenantOf(requireWriter(parts, caller));
    parts.reports.requireRoom({ tenant, spend: (ms) => call.spend(ms) });
  },
  read: ({ body }) => {
    const { report, ...rest } = parseInput(pushed, body?.value);
    return async ({ parts, call, caller }) => {
      const items = await push(parts, call, caller, { text: report, ...rest });
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
