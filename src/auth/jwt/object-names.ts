const LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const LONGEST_SUBDOMAIN = 253;
const UID = /^[A-Za-z0-9-]{1,128}$/;

/** A namespace: an RFC 1123 label. */
export function isNamespaceName(value: unknown): value is string {
  return typeof value === 'string' && LABEL.test(value);
}

/** A service account, pod or node: an RFC 1123 subdomain. */
export function isObjectName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LONGEST_SUBDOMAIN && SUBDOMAIN.test(value);
}

/** UIDs are UUIDs, but Kubernetes only promises unique text. */
export function isObjectUid(value: unknown): value is string {
  return typeof value === 'string' && UID.test(value);
}
