import { isInScope } from './evidence.ts';
import { glob, type Glob } from '../words/glob.ts';
import { identityTest, type Signer, type TrustedIdentity } from './trusted-identity.ts';

/** A pinned public key, as the profile names it. */
export interface PinnedKey {
  readonly pem: string;
  /** SHA-256 of the key, as `sha256:<hex>`. */
  readonly id: string;
}

/** Certificate authorities and logs of a Sigstore instance: a `trusted_root.json`. */
export type PinnedRoot = Readonly<Record<string, unknown>>;

/** A trusted signer: the holder of a key, or one of the identities that a Sigstore instance certifies. */
export interface Authority {
  readonly name: string;
  readonly key?: PinnedKey | undefined;
  readonly keyless?:
    | { readonly trustRoot: string; readonly identities: readonly TrustedIdentity[] }
    | undefined;
  /** Milliseconds since the epoch: signatures from then on do not count. */
  readonly revokedAt?: number | undefined;
}

interface RuleSpec {
  /** Globs of repositories. */
  readonly images: readonly string[];
  /** One of these authorities must have signed. */
  readonly authorities: readonly Authority[];
}

export type SignatureRuleSpec = RuleSpec;

/** Attestations that an image must have, besides a signature. */
export interface AttestationRuleSpec extends RuleSpec {
  /** Globs of the builders that are allowed to build the image. */
  readonly slsaProvenance?: { readonly builders: readonly string[] } | undefined;
  readonly vulnScan?: { readonly maxAgeSeconds: number } | undefined;
}

export interface ImageTrustSpec {
  readonly signatures: readonly SignatureRuleSpec[];
  readonly attestations: readonly AttestationRuleSpec[];
  readonly trustRoots: Readonly<Record<string, PinnedRoot>>;
  /** Answer to images of repositories that no rule names, if there is a rule. */
  readonly unmatched: 'allow' | 'deny';
  /** Ids of keys that never count, whichever authority lists them. */
  readonly deniedKeys: readonly string[];
}

/** A signed statement about an image. It counts only if an authority of the profile signed it. */
export interface Statement {
  readonly id: string;
  /** `signature`, or the predicate type of an in-toto statement. */
  readonly type: string;
  /** Time at which the broker first stored it, in milliseconds since the epoch: it was signed before then. */
  readonly createdAt: number;
  /** Prefixes of repositories: it counts for their images only, because its writer may speak about no others. Empty: all. */
  readonly scope: readonly string[];
  /** The repository that a simple signing payload names; undefined in other forms. */
  readonly repository?: string | undefined;
  /** The builder of the image, in a provenance. */
  readonly builder?: string | undefined;
  /** End of a scan, in a vulnerability attestation: milliseconds since the epoch. */
  readonly scannedAt?: number | undefined;
}

/** The key or trust root that a signature is verified with. */
export type TrustAnchor = { readonly key: PinnedKey } | { readonly root: PinnedRoot };

/** A signature that was not verified yet. */
export const UNVERIFIED = 'unverified';

/** The statements that the broker stores, and who signed each. */
export interface ImageTrust {
  of(digest: string): readonly Statement[];
  /** The signer of the statement; undefined if its signature is invalid. */
  signerOf(statement: Statement, by: TrustAnchor): Signer | typeof UNVERIFIED | undefined;
}

/** Type of a signature in either form: it says nothing but "I signed this image". */
export const SIGNATURE = 'signature';
const PROVENANCE = ['https://slsa.dev/provenance/v1', 'https://slsa.dev/provenance/v0.2'];
const VULNERABILITIES = 'https://cosign.sigstore.dev/attestation/vuln/v1';
/** Clocks of scanners differ; a scan from the future would never become old. */
const MOST_AHEAD_MS = 300_000;

interface CompiledAuthority {
  readonly authority: Authority;
  readonly identities: readonly ((signer: Signer) => boolean)[];
}

interface CompiledRule {
  readonly images: readonly Glob[];
  readonly authorities: readonly CompiledAuthority[];
}

interface CompiledAttestationRule extends CompiledRule {
  readonly builders: readonly Glob[] | undefined;
  readonly maxAgeMs: number | undefined;
}

/** The rules of a profile about signatures, with their patterns compiled. */
export interface CompiledTrust {
  readonly signatures: readonly CompiledRule[];
  readonly attestations: readonly CompiledAttestationRule[];
  readonly trustRoots: ReadonlyMap<string, PinnedRoot>;
  readonly isUnmatchedDenied: boolean;
  readonly deniedKeys: ReadonlySet<string>;
}

export function compileTrust(spec: ImageTrustSpec): CompiledTrust {
  return {
    signatures: spec.signatures.map(compileRule),
    attestations: spec.attestations.map((rule) => ({
      ...compileRule(rule),
      builders: rule.slsaProvenance?.builders.map(glob),
      maxAgeMs: rule.vulnScan && rule.vulnScan.maxAgeSeconds * 1_000,
    })),
    trustRoots: new Map(Object.entries(spec.trustRoots)),
    isUnmatchedDenied:
      spec.unmatched === 'deny' && spec.signatures.length + spec.attestations.length > 0,
    deniedKeys: new Set(spec.deniedKeys),
  };
}

function compileRule({ images, authorities }: RuleSpec): CompiledRule {
  return {
    images: images.map(glob),
    authorities: authorities.map((authority) => ({
      authority,
      identities: authority.keyless?.identities.map(identityTest) ?? [],
    })),
  };
}

/** A statement that an authority signed. */
export interface TrustedStatement {
  readonly digest: string;
  readonly authority: string;
  /** The id of the key, or issuer and subject. */
  readonly signer: string;
  readonly type: string;
  readonly attestation: string;
}

export interface TrustFinding {
  readonly code: 'signature_missing' | 'signer_not_trusted' | 'attestation_missing';
  /** Continues "the image … ". */
  readonly message: string;
  /** True if signatures were not verified yet. It refuses whatever the profile says of unknown facts. */
  readonly isUnknown?: true;
  readonly onUnknown?: 'deny';
}

export interface TrustVerdict {
  readonly findings: readonly TrustFinding[];
  readonly trusted: readonly TrustedStatement[];
  /** Milliseconds since the epoch: when a scan that counted is too old. */
  readonly validUntil: number;
}

interface Judged {
  readonly digest: string;
  readonly statements: readonly Statement[];
  readonly trust: ImageTrust;
}

/** Reports whether the profile has a rule about signatures of the repository. */
export function isTrustRuled(rules: CompiledTrust, repository: string): boolean {
  return [...rules.signatures, ...rules.attestations].some(({ images }) =>
    isFor(images, repository),
  );
}

/** Judges one image: each rule for its repository requires a signature of one of the rule's authorities. */
export function judgeTrust(
  rules: CompiledTrust,
  image: { readonly repository: string; readonly digest: string },
  { trust, now }: { readonly trust: ImageTrust; readonly now: number },
): TrustVerdict {
  const { digest, repository } = image;
  const statements = trust.of(digest).filter(({ scope }) => isInScope(repository, scope));
  const judged: Judged = { digest, statements, trust };
  const isForImage = ({ images }: CompiledRule): boolean => isFor(images, repository);
  const results = [
    ...rules.signatures.filter(isForImage).map((rule) => signatureOf(rules, rule, judged)),
    ...rules.attestations
      .filter(isForImage)
      .flatMap((rule) => [provenanceOf(rules, rule, judged), scanOf(rules, rule, judged, now)])
      .filter((result) => result !== undefined),
  ];
  return {
    findings: results.flatMap((result) => ('code' in result ? [result] : [])),
    trusted: results.flatMap((result) =>
      'code' in result ? [] : [toTrustedStatement(judged, result)],
    ),
    validUntil: Math.min(
      ...results.map((result) => ('until' in result ? result.until : undefined) ?? Infinity),
    ),
  };
}

/** Result of a rule: a statement that counts, perhaps until a time, or a finding. */
type Result = TrustFinding | (Signed & { readonly until?: number });

function signatureOf(rules: CompiledTrust, rule: CompiledRule, judged: Judged): Result {
  const { signed, isUnverified } = findSigned(rules, rule, judged, ofType(SIGNATURE));
  if (signed !== undefined) return signed;
  return isUnverified ? unverified('signer_not_trusted') : missingSignature(judged, rule);
}

function provenanceOf(
  rules: CompiledTrust,
  rule: CompiledAttestationRule,
  judged: Judged,
): Result | undefined {
  const { builders } = rule;
  if (builders === undefined) return undefined;
  const isProvenance = ofType(...PROVENANCE);
  const { signed, isUnverified } = findSigned(
    rules,
    rule,
    judged,
    (statement) =>
      isProvenance(statement) &&
      statement.builder !== undefined &&
      isFor(builders, statement.builder),
  );
  if (signed !== undefined) return signed;
  if (isUnverified) return unverified('attestation_missing');
  return missingProvenance(rule, findSigned(rules, rule, judged, isProvenance).signed);
}

function scanOf(
  rules: CompiledTrust,
  rule: CompiledAttestationRule,
  judged: Judged,
  now: number,
): Result | undefined {
  if (rule.maxAgeMs === undefined) return undefined;
  const at = ({ scannedAt = -Infinity }: Statement): number => scannedAt;
  const statements = judged.statements
    .filter((statement) => at(statement) <= now + MOST_AHEAD_MS)
    .sort((a, b) => at(b) - at(a));
  const { signed: newest, isUnverified } = findSigned(
    rules,
    rule,
    { ...judged, statements },
    ofType(VULNERABILITIES),
  );
  const until = (newest?.statement.scannedAt ?? -Infinity) + rule.maxAgeMs;
  if (newest !== undefined && until > now) return { ...newest, until };
  return isUnverified ? unverified('attestation_missing') : missingScan(rule, newest);
}

function ofType(...types: readonly string[]): (statement: Statement) => boolean {
  return ({ type }) => types.includes(type);
}

function unverified(code: TrustFinding['code']): TrustFinding {
  const message = 'has signatures that the broker did not verify yet; retry';
  return { code, message, isUnknown: true, onUnknown: 'deny' };
}

/** The names of the authorities that signed a statement, in any rule of the profile. */
export function authoritiesOf(
  rules: CompiledTrust,
  statement: Statement,
  trust: ImageTrust,
): readonly string[] {
  const names = [...rules.signatures, ...rules.attestations]
    .filter((rule) => isForRepository(rule, statement))
    .flatMap((rule) => rule.authorities)
    .filter((each) => {
      const signer = signerFor(rules, each, statement, trust);
      return signer !== undefined && signer !== UNVERIFIED;
    })
    .map(({ authority }) => authority.name);
  return [...new Set(names)];
}

/** The keys and roots by which the rules verify signatures. */
export function anchorsOf(rules: CompiledTrust): readonly TrustAnchor[] {
  return [...rules.signatures, ...rules.attestations].flatMap(({ authorities }) =>
    authorities.flatMap(({ authority }) => anchorOf(rules, authority) ?? []),
  );
}

interface Signed {
  readonly authority: Authority;
  readonly signer: Signer;
  readonly statement: Statement;
}

/** The first statement that an authority of the rule signed. The later ones are not verified: each costs processor time. */
function findSigned(
  rules: CompiledTrust,
  rule: CompiledRule,
  { statements, trust }: Pick<Judged, 'statements' | 'trust'>,
  isWanted: (statement: Statement) => boolean,
): { readonly signed: Signed | undefined; readonly isUnverified: boolean } {
  let isUnverified = false;
  for (const statement of statements) {
    if (!isWanted(statement) || !isForRepository(rule, statement)) continue;
    for (const each of rule.authorities) {
      const signer = signerFor(rules, each, statement, trust);
      if (signer === UNVERIFIED) isUnverified = true;
      else if (signer !== undefined)
        return { signed: { authority: each.authority, signer, statement }, isUnverified };
    }
  }
  return { signed: undefined, isUnverified };
}

/** The signer of the statement, if the authority trusts it. */
function signerFor(
  rules: CompiledTrust,
  { authority, identities }: CompiledAuthority,
  statement: Statement,
  trust: ImageTrust,
): Signer | typeof UNVERIFIED | undefined {
  const by = anchorOf(rules, authority);
  const signer = by && trust.signerOf(statement, by);
  if (signer === undefined || signer === UNVERIFIED) return signer;
  if (isRevoked(authority, statement, signer)) return undefined;
  return 'keyId' in signer || identities.some((matches) => matches(signer)) ? signer : undefined;
}

/** A simple signing payload names the repository it was signed for. A signature for the image of one team does not count for the images of another. */
function isForRepository({ images }: CompiledRule, { repository }: Statement): boolean {
  return repository === undefined || isFor(images, repository);
}

function anchorOf(
  { trustRoots, deniedKeys }: CompiledTrust,
  { key, keyless }: Authority,
): TrustAnchor | undefined {
  if (key !== undefined) return deniedKeys.has(key.id) ? undefined : { key };
  const root = keyless && trustRoots.get(keyless.trustRoot);
  return root && { root };
}

/** A signature counts if it provably was made before the revocation: its certificate ended before, or the broker had already stored it. */
function isRevoked({ revokedAt }: Authority, { createdAt }: Statement, signer: Signer): boolean {
  if (revokedAt === undefined) return false;
  const signedBefore =
    'signedBefore' in signer ? Math.min(signer.signedBefore, createdAt) : createdAt;
  return signedBefore >= revokedAt;
}

function missingSignature({ statements, digest }: Judged, rule: CompiledRule): TrustFinding {
  const count = statements.filter(({ type }) => type === SIGNATURE).length;
  if (count === 0) {
    const message = `has no signature in the broker for ${digest}; push it: quaymaster attestation push --from-registry IMAGE@DIGEST`;
    return { code: 'signature_missing', message };
  }
  const message = `has ${count} signature${count === 1 ? '' : 's'}, none by ${namesOf(rule)} or none that still counts`;
  return { code: 'signer_not_trusted', message };
}

function missingProvenance(rule: CompiledRule, first: Signed | undefined): TrustFinding {
  const message =
    first === undefined
      ? `has no provenance signed by ${namesOf(rule)}`
      : `was built by ${first.statement.builder ?? 'an unnamed builder'}, which "builders" does not have`;
  return { code: 'attestation_missing', message };
}

function missingScan(rule: CompiledRule, newest: Signed | undefined): TrustFinding {
  const at = newest?.statement.scannedAt;
  const message =
    at === undefined
      ? `has no scan for vulnerabilities signed by ${namesOf(rule)}`
      : `was last scanned at ${new Date(at).toISOString()}, which is older than "maxAge"`;
  return { code: 'attestation_missing', message };
}

function namesOf({ authorities }: CompiledRule): string {
  return authorities.map(({ authority: { name } }) => name).join(' or ');
}

function toTrustedStatement(
  { digest }: Judged,
  { authority, signer, statement }: Signed,
): TrustedStatement {
  const who = 'keyId' in signer ? signer.keyId : `${signer.issuer} ${signer.subject}`;
  return {
    digest,
    authority: authority.name,
    signer: who,
    type: statement.type,
    attestation: statement.id,
  };
}

function isFor(globs: readonly Glob[], text: string): boolean {
  return globs.some((matches) => matches(text));
}
