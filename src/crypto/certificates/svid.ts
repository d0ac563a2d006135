import { X509Certificate } from 'node:crypto';
import { derElement, derElements } from './der.ts';
import { sha256Hex } from '../hashes/digest.ts';

/** Facts that a leaf certificate states; {@link leadsTo} decides whether to believe them. */
export interface LeafFacts {
  /** The URIs among its subject alternative names. */
  readonly uris: readonly string[];
  /** True if it may sign other certificates, by basic constraints or key usage. */
  readonly isAuthority: boolean;
  readonly hasDigitalSignature: boolean;
  /** OIDs; undefined without the extension, which allows every use. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** SHA-256 of the certificate. */
  readonly fingerprint: string;
}

export const CLIENT_AUTHENTICATION = '1.3.6.1.5.5.7.3.2';

const SEQUENCE = 0x30;
const BOOLEAN = 0x01;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const EXTENSIONS = 0xa3;
const URI_NAME = 0x86;
const BASIC_CONSTRAINTS = '551d13';
const KEY_USAGE = '551d0f';
const SUBJECT_ALTERNATIVE_NAME = '551d11';
const DIGITAL_SIGNATURE = 0x80;
/** keyCertSign and cRLSign. */
const SIGNS_OTHERS = 0x06;

/** Undefined if the bytes are not one certificate in DER, or have an extension twice (RFC 5280 §4.2). */
export function readLeaf(der: Buffer): LeafFacts | undefined {
  try {
    const certificate = new X509Certificate(der);
    const extensions = extensionsOf(der);
    const names = extensions.get(SUBJECT_ALTERNATIVE_NAME);
    const usage = extensions.get(KEY_USAGE);
    const bits = usage === undefined ? undefined : derElement(usage, BIT_STRING)[1];
    // The type says that it is always set; without the extension it is not.
    const extended = certificate.keyUsage as readonly string[] | undefined;
    return {
      uris: names === undefined ? [] : urisIn(names),
      isAuthority:
        mayBeAuthority(extensions.get(BASIC_CONSTRAINTS)) || ((bits ?? 0) & SIGNS_OTHERS) !== 0,
      hasDigitalSignature: ((bits ?? 0) & DIGITAL_SIGNATURE) !== 0,
      extendedKeyUsage: extended,
      notBefore: certificate.validFromDate.getTime(),
      notAfter: certificate.validToDate.getTime(),
      fingerprint: sha256Hex(der),
    };
  } catch {
    return undefined;
  }
}

/**
 * Extensions of a certificate by OID. Node does not show key usage, and quotes alternative names in a text (CVE-2021-44532), so both are read from
 * the bytes.
 */
function extensionsOf(der: Buffer): ReadonlyMap<string, Buffer> {
  const [body] = derElements(derElement(der, SEQUENCE));
  const own = derElements(body?.content ?? Buffer.alloc(0)).find(({ tag }) => tag === EXTENSIONS);
  const found = new Map<string, Buffer>();
  if (own === undefined) return found;
  for (const { content } of derElements(derElement(own.content, SEQUENCE))) {
    const [id, ...rest] = derElements(content);
    const value = rest.at(-1);
    const name = id?.content.toString('hex') ?? '';
    if (value?.tag !== OCTET_STRING || found.has(name)) throw new RangeError('an extension');
    found.set(name, value.content);
  }
  return found;
}

/** Node does not count a certificate as an authority if its key usage does not fit, whatever its basic constraints say. */
function mayBeAuthority(constraints: Buffer | undefined): boolean {
  if (constraints === undefined) return false;
  const [first] = derElements(derElement(constraints, SEQUENCE));
  return first?.tag === BOOLEAN && first.content[0] !== 0;
}

function urisIn(names: Buffer): readonly string[] {
  return derElements(derElement(names, SEQUENCE))
    .filter(({ tag }) => tag === URI_NAME)
    .map(({ content }) => content.toString('latin1'));
}

const LONGEST_CHAIN = 8;

/**
 * Checks that signatures lead from the leaf, the first of the chain, to one of the anchors, through authorities that are valid now. The listener
 * verified the chain too, but to any of its authorities: a signer of one trust domain could otherwise issue identities of another.
 */
export function leadsTo(chain: readonly Buffer[], anchors: string, now: number): boolean {
  try {
    const [leaf, ...others] = chain.slice(0, LONGEST_CHAIN).map((der) => new X509Certificate(der));
    const trusted = certificatesIn(anchors);
    let current = leaf;
    for (let step = 0; step < LONGEST_CHAIN && current !== undefined; step += 1) {
      const child = current;
      if (trusted.some((anchor) => isIssuedBy(child, anchor, now))) return true;
      current = others.find((each) => each !== child && isIssuedBy(child, each, now));
    }
    return false;
  } catch {
    return false;
  }
}

function isIssuedBy(child: X509Certificate, issuer: X509Certificate, now: number): boolean {
  return (
    issuer.ca &&
    issuer.validFromDate.getTime() <= now &&
    now < issuer.validToDate.getTime() &&
    child.checkIssued(issuer) &&
    child.verify(issuer.publicKey)
  );
}

const PEM = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates of a bundle in PEM. @throws if one is malformed */
export function certificatesIn(pem: string): readonly X509Certificate[] {
  return (pem.match(PEM) ?? []).map((text) => new X509Certificate(text));
}
