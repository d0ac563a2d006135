import { readCertificate } from '../../crypto/certificates/certificate-facts.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\n?/g;
/** Far more than the injectors of one installation issue in the life of a certificate. The object must stay small (etcd: 1.5 MiB). */
const MOST_OF_OTHERS = 100;
/** Common names of the certificates that injectors sign for themselves. */
export const COMMON_NAME_PREFIX = 'quaymaster-injector ';

/**
 * Builds a `caBundle` with these certificates of one injector. Certificates of other injectors stay until they expire; certificates
 * that are not of an injector stay; former ones of the same injector are removed. The order is the same for every injector: otherwise
 * two of them would overwrite each other for ever.
 * @param bundle base64 of PEM, as Kubernetes has it. @param own PEM. @param at.now milliseconds since the epoch
 */
export function withCertificates(
  bundle: string | undefined,
  own: readonly string[],
  at: { readonly owner: string; readonly now: number },
): string {
  const ours = own.map((pem) => pem.trimEnd());
  const text = Buffer.from(bundle ?? '', 'base64').toString('utf8');
  const others = (text.match(CERTIFICATE) ?? [])
    .map((entry) => entry.trimEnd())
    .filter((entry) => !ours.includes(entry));
  const foreign = others.filter((entry) => !isOfInjector(entry));
  const injectors = others
    .filter((entry) => isOfInjector(entry) && nameOf(entry) !== at.owner && endOf(entry) > at.now)
    .sort(byEnd)
    .slice(-MOST_OF_OTHERS);
  const all = [...foreign, ...[...injectors, ...ours].sort(byEnd)];
  return Buffer.from(`${all.join('\n')}\n`).toString('base64');
}

function byEnd(a: string, b: string): number {
  return endOf(a) - endOf(b) || (a < b ? -1 : 1);
}

function isOfInjector(pem: string): boolean {
  return nameOf(pem).startsWith(COMMON_NAME_PREFIX);
}

function nameOf(pem: string): string {
  return readCertificate(pem)?.commonName ?? '';
}

function endOf(pem: string): number {
  return readCertificate(pem)?.notAfter ?? 0;
}
