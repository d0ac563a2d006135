import { createPrivateKey, X509Certificate } from 'node:crypto';

/** Facts that a certificate states. They are only read here: no signature, trust anchor or date is checked. */
export interface CertificateFacts {
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** The common name of the subject; empty if the subject has none. */
  readonly commonName: string;
  readonly nameCount: number;
  holdsDnsName(name: string): boolean;
  holdsAddress(address: string): boolean;
  belongsTo(privateKey: string): boolean;
}

/** Undefined if the text is not a certificate in PEM. */
export function readCertificate(pem: string): CertificateFacts | undefined {
  try {
    const certificate = new X509Certificate(pem);
    const names = certificate.subjectAltName?.split(', ') ?? [];
    return {
      notBefore: certificate.validFromDate.getTime(),
      notAfter: certificate.validToDate.getTime(),
      commonName: /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? '',
      nameCount: names.length,
      holdsDnsName: (name) => names.includes(`DNS:${name}`),
      holdsAddress: (address) => certificate.checkIP(address) !== undefined,
      belongsTo: (privateKey) => isKeyOf(certificate, privateKey),
    };
  } catch {
    return undefined;
  }
}

function isKeyOf(certificate: X509Certificate, privateKey: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(privateKey));
  } catch {
    return false;
  }
}

/** The DNS names and URIs of a certificate in DER; none if it is not a certificate. */
export function certificateNames(der: Uint8Array): readonly string[] {
  try {
    const names = new X509Certificate(der).subjectAltName?.split(', ') ?? [];
    return names.flatMap((name) => /^(?:DNS|URI):(.*)$/.exec(name)?.[1] ?? []);
  } catch {
    return [];
  }
}
