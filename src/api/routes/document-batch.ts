import * as z from 'zod';
import { identityOf } from '../../broker/access/call.ts';
import { requireStepUpFor, type DocumentWrite } from '../../broker/documents/apply-document.ts';
import { applyDocuments as apply } from '../../broker/documents/apply-documents.ts';
import { documentTag } from '../../broker/model/document.ts';
import type { DocumentKind } from '../../broker/model/kinds.ts';
import { requireStepUp } from '../../broker/access/step-up.ts';
import { BrokerError } from '../../domain/errors.ts';
import { DOCUMENT_CHARACTERS, parseTexts } from '../request/body/parse-texts.ts';
import { ACCESS, type OperationId } from '../contract/access.ts';
import { TAG } from '../answer/entity-tag.ts';
import { problemOf } from '../answer/error-answer.ts';
import { explainRefusal } from '../request/explain-refusal.ts';
import { objectName, secretPath } from '../request/fields.ts';
import { parseInput, parseParameter } from '../request/parse-input.ts';
import type { RouteOf } from '../request/route.ts';
import { flag } from './documents.ts';

/** The envelopes of more would have more fields than a body may have. */
const MOST_DOCUMENTS = 200;
const BATCH_BYTES = 1024 * 1024;
/** Documents of one request that weigh as much as one read. */
const DOCUMENTS_OF_WEIGHT = 2;

/** Operation that writes one document: a document of a batch needs the same rights. */
const PUT = {
  cluster: 'putCluster',
  mount: 'putMount',
  policy: 'putPolicy',
  definition: 'putDefinition',
  operator: 'putOperator',
  'role-binding': 'putRoleBinding',
  'posture-profile': 'putPostureProfile',
  'response-rule': 'putResponseRule',
} as const satisfies Record<DocumentKind, OperationId>;

const body = z.strictObject({ documents: z.array(z.unknown()).min(1).max(MOST_DOCUMENTS) });

const common = {
  ifMatch: z
    .string()
    .refine((tag) => tag === '*' || TAG.test(tag), 'is * or one strong entity tag')
    .optional(),
  ifNoneMatch: z.literal('*', 'is *').optional(),
  document: z.string().max(DOCUMENT_CHARACTERS),
};
const item = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('definition'), name: secretPath, ...common }),
    ...(Object.keys(PUT) as DocumentKind[])
      .filter((kind) => kind !== 'definition')
      .map((kind) => z.strictObject({ kind: z.literal(kind), name: objectName, ...common })),
  ])
  .refine(
    ({ ifMatch, ifNoneMatch }) => (ifMatch === undefined) !== (ifNoneMatch === undefined),
    'needs ifMatch or ifNoneMatch, not both',
  );

/** Applies several documents in one request. Each is decided, recorded and answered as if it came alone. */
export const applyDocuments: RouteOf<'applyDocuments'> = {
  query: ['dryRun'],
  body: { maxBytes: BATCH_BYTES },
  read: ({ query, body: sent, caller: asking, rates }) => {
    const isDryRun = parseParameter(flag, query.get('dryRun')) === 'true';
    const { documents } = parseInput(body, sent?.value);
    const given = documents.map((document, at) => parseInput(item, document, `/documents/${at}`));
    if (asking !== undefined) {
      rates.takeFromCaller(asking, Math.ceil(given.length / DOCUMENTS_OF_WEIGHT));
    }
    return async ({ parts, call, caller }) => {
      if (given.some(({ kind }) => operationOf(kind).stepUp === 'always'))
        requireStepUp(parts, caller);
      const changes = await parseChanges(given, isDryRun);
      if (!isDryRun) requireStepUpFor(parts, caller, changes);
      const results = await apply(parts, call, caller, changes);
      const items = results.map((result, at) => {
        const { kind, name } = changes[at] as DocumentWrite;
        if (!(result instanceof BrokerError)) {
          const { document, outcome } = result;
          const { uid, version } = document;
          return { kind, name, outcome, uid, version, etag: documentTag(document) };
        }
        const explained = explainRefusal({ parts, caller, operation: operationOf(kind) }, result);
        const shown = rates.answered(identityOf(caller), explained);
        return { kind, name, error: problemOf(shown, call.requestId) };
      });
      return { status: 200, body: { items } };
    };
  },
};

function operationOf(kind: DocumentKind): NonNullable<ReturnType<typeof ACCESS.get>> {
  const operation = ACCESS.get(PUT[kind]);
  if (operation === undefined) throw new TypeError(`no operation writes a ${kind}`);
  return operation;
}

/** @throws ERR_BODY_INVALID */
async function parseChanges(
  given: readonly z.infer<typeof item>[],
  isDryRun: boolean,
): Promise<readonly DocumentWrite[]> {
  const texts = given.map(({ document }) => document);
  const bodies = await parseTexts(texts, (at) => `/documents/${at}/document`);
  return given.map(({ kind, name, ifMatch, ifNoneMatch }, at) => {
    const precondition = { ifMatch, ifNoneMatch };
    return { kind, name, precondition, body: bodies[at], isDryRun, keepsSame: true };
  });
}
