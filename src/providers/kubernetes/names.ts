import { z } from 'zod';

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const SUBDOMAIN =
  /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const KEY = /^(?!\.\.?$)[-._a-zA-Z0-9]{1,253}$/;

/** RFC 1123, as the API server checks it: nothing that could leave the resource's place in a URL (CVE-2022-3162). */
export function isSubdomain(text: string): boolean {
  return SUBDOMAIN.test(text);
}

/** A key of a Secret's data. */
export function isDataKey(text: string): boolean {
  return KEY.test(text);
}

export const namespaceName = z
  .string()
  .regex(LABEL, 'a namespace: lower case, at most 63 characters');
export const objectName = z
  .string()
  .regex(SUBDOMAIN, 'an object name: lower case, at most 253 characters');
export const dataKey = z.string().regex(KEY, 'a key of a Secret: [-._a-zA-Z0-9]');
