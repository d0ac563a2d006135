import { BrokerError } from '../../../domain/errors.ts';
import type { KubernetesRequest } from '../../../ports/kubernetes-api.ts';

/** @throws ERR_PATH_INVALID for a segment that would name another resource (CVE-2022-3162: `..` in a name). */
export function requestUrl(server: URL, request: Pick<KubernetesRequest, 'path' | 'query'>): URL {
  const segments = request.path.map(encodeSegment);
  const url = new URL(server);
  url.pathname = `${server.pathname.replace(/\/$/, '')}/${segments.join('/')}`;
  url.search = new URLSearchParams(request.query).toString();
  return url;
}

function encodeSegment(segment: string): string {
  if (segment === '' || segment === '.' || segment === '..' || !segment.isWellFormed()) {
    throw new BrokerError('ERR_PATH_INVALID', 'a name is empty or made of dots');
  }
  return encodeURIComponent(segment);
}
