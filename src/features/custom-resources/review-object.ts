import * as z from 'zod';
import { BrokerError } from '../../domain/errors.ts';
import { messageOf } from './cluster-documents.ts';
import { readClusterObject, RESOURCE_GROUP, RESOURCES } from './cluster-object.ts';
import type { ObjectAuthority } from './object-authority.ts';

const VERSION = 'admission.k8s.io/v1';

const reviewSchema = z.looseObject({
  apiVersion: z.literal(VERSION),
  kind: z.literal('AdmissionReview'),
  request: z.looseObject({
    uid: z.string().min(1).max(256),
    operation: z.string(),
    resource: z.looseObject({ group: z.string(), version: z.string(), resource: z.string() }),
    subResource: z.string().optional(),
    object: z.unknown(),
  }),
});

export interface ObjectReview {
  readonly body: object;
  readonly outcome: 'valid' | 'refused' | 'unchanged';
}

/**
 * Answers the API server before it stores a custom resource, so that `kubectl apply --dry-run=server` shows its faults. Only the object and the
 * configuration decide: a caller learns nothing about documents. The copy into a document checks everything again.
 * @param isCallerKnown false: any program that reaches the webhook may ask, and could try out what the namespaces of others may write. So only the form is checked.
 * @returns undefined for anything but an AdmissionReview of v1
 */
export function reviewObject(
  authority: ObjectAuthority,
  document: unknown,
  isCallerKnown: boolean,
): ObjectReview | undefined {
  const review = reviewSchema.safeParse(document);
  if (!review.success) return undefined;
  const { uid, operation, resource, subResource = '', object } = review.data.request;
  const found = RESOURCES.find(({ plural }) => plural === resource.resource);
  const isWritten = (operation === 'CREATE' || operation === 'UPDATE') && subResource === '';
  const isOurs = resource.group === RESOURCE_GROUP && found !== undefined;
  if (!isWritten || !isOurs) return answer(uid, 'unchanged');
  try {
    const read = readClusterObject(found, object);
    if (isCallerKnown) authority.check(read);
    else authority.checkForm(read);
    return answer(uid, 'valid');
  } catch (error) {
    const { code, detail, problems } = BrokerError.from(error);
    return answer(uid, 'refused', problems === undefined ? (detail ?? code) : messageOf(problems));
  }
}

function answer(uid: string, outcome: ObjectReview['outcome'], refusal?: string): ObjectReview {
  const status = { code: 422, reason: 'Invalid', message: refusal };
  const response = refusal === undefined ? { uid, allowed: true } : { uid, allowed: false, status };
  return { body: { apiVersion: VERSION, kind: 'AdmissionReview', response }, outcome };
}
