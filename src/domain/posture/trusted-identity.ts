import { glob, MOST_DEEP_STARS, type Glob } from '../words/glob.ts';

/** The signer of an image: the holder of a pinned key, or an identity that an issuer certified when it signed. */
export type Signer =
  | { readonly keyId: string }
  | {
      readonly issuer: string;
      readonly subject: string;
      readonly subjectType: SubjectType;
      /** Milliseconds since the epoch: the signature was made before. */
      readonly signedBefore: number;
    };

type SubjectType = 'uri' | 'email';

/** An identity that may sign. Issuer and subject are exact, or patterns with a literal beginning. */
export interface TrustedIdentity {
  readonly issuer: string;
  readonly subject: string;
}

const MAX_LENGTH = 512;
/** Scheme and host without a wildcard, then a slash. */
const URI_BEGINNING = /^[a-z][a-z0-9+.-]*:\/\/[^*/\s]+\//;
const PRINTABLE = /^[!-~]+$/;

/**
 * The reason why a text cannot name an issuer or a subject; undefined if it can. A pattern has scheme and host without a wildcard: `https://*` would trust everyone
 * with an account at any issuer.
 */
export function identityProblem(text: string): string | undefined {
  if (text.length > MAX_LENGTH || !PRINTABLE.test(text)) {
    return `must be 1 to ${MAX_LENGTH} printable characters without blanks`;
  }
  if (!text.includes('*')) return undefined;
  if (!URI_BEGINNING.test(text)) {
    return 'may have "*" only after scheme and host, such as https://github.com/acme/*; other names must be exact';
  }
  const deep = text.split('**').length - 1;
  return deep > MOST_DEEP_STARS ? `must have at most ${MOST_DEEP_STARS} "**"` : undefined;
}

/** Compares the whole text: a pattern never matches a part of a name. */
export function identityTest({ issuer, subject }: TrustedIdentity): (signer: Signer) => boolean {
  const tests: readonly [Glob, Glob] = [glob(issuer), glob(subject)];
  const type = subjectTypeOf(subject);
  return (signer) =>
    'issuer' in signer &&
    signer.subjectType === type &&
    tests[0](signer.issuer) &&
    tests[1](signer.subject);
}

/** An e-mail address in a certificate never counts as a URI of the same text. */
function subjectTypeOf(subject: string): SubjectType {
  return subject.includes('://') ? 'uri' : 'email';
}
