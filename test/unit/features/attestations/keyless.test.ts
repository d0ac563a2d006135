import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { parseAttestation } from '../../../../src/features/attestations/parse-attestation.ts';
import { loadKeyless, TrustRoot } from '../../../../src/crypto/signatures/keyless-signature.ts';
import { identityTest } from '../../../../src/domain/posture/trusted-identity.ts';
import { hostileValue, parses } from '../../../kit/checks/hostile-values.ts';
import { ImageSigner } from '../../../kit/images/image-signer.ts';
import { SigstoreInstance } from '../../../kit/images/sigstore-instance.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const ISSUER = 'https://token.actions.githubusercontent.com';
const SUBJECT = 'https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1';
const IDENTITY = { issuer: ISSUER, subject: SUBJECT };

let instance: SigstoreInstance;
let root: TrustRoot;
let bundle: Readonly<Record<string, unknown>>;

beforeAll(async () => {
  await loadKeyless();
  instance = await SigstoreInstance.start();
  root = new TrustRoot(instance.trustedRoot);
  bundle = await instance.sign(DIGEST, IDENTITY);
});

describe('a keyless signature', () => {
  it('names its signer, under the root of its instance only (IS05)', async () => {
    const signer = root.signerOf(bundle);
    expect(signer).toMatchObject({ ...IDENTITY, subjectType: 'uri' });
    expect(signer!.signedBefore).toBeGreaterThan(0);
    const other = await SigstoreInstance.start();
    expect(new TrustRoot(other.trustedRoot).signerOf(bundle)).toBeUndefined();
    expect(root.signerOf(await other.sign(DIGEST, IDENTITY))).toBeUndefined();
  });

  it('has no root that costs a second to read', () => {
    const large = { ...instance.trustedRoot, more: 'x'.repeat(65_536) };
    expect(() => new TrustRoot(large)).toThrow(/^it has more than 65536 characters$/);
  });

  it('has no signer without a log entry, with that of another signature, or with a key (IS05)', async () => {
    const another = await instance.sign(DIGEST, IDENTITY);
    const material = bundle['verificationMaterial'] as { readonly tlogEntries: readonly object[] };
    const foreign = another['verificationMaterial'] as typeof material;
    const withEntries = (tlogEntries: readonly object[]) => ({
      ...bundle,
      verificationMaterial: { ...material, tlogEntries },
    });
    expect(root.signerOf(withEntries(material.tlogEntries))).toBeDefined();
    expect(root.signerOf(withEntries([]))).toBeUndefined();
    expect(root.signerOf(withEntries(foreign.tlogEntries))).toBeUndefined();
    expect(root.signerOf(new ImageSigner().bundle(DIGEST))).toBeUndefined();
  });

  it('has no signer with a time that the log did not sign', () => {
    const material = bundle['verificationMaterial'] as { readonly tlogEntries: readonly object[] };
    const [entry] = material.tlogEntries as [{ readonly integratedTime: string }];
    const tlogEntries = [{ ...entry, integratedTime: String(Number(entry.integratedTime) + 1) }];
    const moved = { ...bundle, verificationMaterial: { ...material, tlogEntries } };
    expect(root.signerOf(moved)).toBeUndefined();
  });

  it('has its signer or none, whatever is changed in the bundle', () => {
    fc.assert(
      fc.property(hostileValue(bundle), (value) => {
        const signer = root.signerOf(value);
        if (signer !== undefined) expect(signer).toMatchObject(IDENTITY);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ['the same names', IDENTITY, true],
    [
      'a pattern',
      {
        issuer: ISSUER,
        subject: 'https://github.com/acme/*/.github/workflows/release.yml@refs/tags/*',
      },
      true,
    ],
    ['another issuer', { ...IDENTITY, issuer: 'https://issuer.test' }, false],
    ['the beginning of the subject', { ...IDENTITY, subject: SUBJECT.slice(0, -1) }, false],
    ['a pattern of another owner', { ...IDENTITY, subject: 'https://github.com/acm/**' }, false],
    [
      'a dot as any character',
      { ...IDENTITY, subject: SUBJECT.replace('release.yml', 'release-yml') },
      false,
    ],
  ])('is compared as a whole: %s (IS04)', (_name, trusted, isTrusted) => {
    expect(identityTest(trusted)(root.signerOf(bundle)!)).toBe(isTrusted);
  });

  it('does not count for a URI of the same text if its identity is an e-mail address', () => {
    const signer = {
      issuer: ISSUER,
      subject: 'https://a@b.test/',
      subjectType: 'email',
      signedBefore: 1,
    } as const;
    const trusted = { issuer: ISSUER, subject: 'https://a@b.test/' };
    expect(identityTest(trusted)(signer)).toBe(false);
    expect(identityTest(trusted)({ ...signer, subjectType: 'uri' })).toBe(true);
  });
});

describe('a keyless signature of cosign 2', () => {
  const signerOf = (value: unknown) => {
    const { keyless, message } = parseAttestation(value);
    return root.signerOf(keyless, message);
  };

  it('names its signer, its image and its repository', async () => {
    const legacy = await instance.signLegacy(DIGEST, IDENTITY);
    const parsed = parseAttestation(legacy);
    expect(parsed).toMatchObject({
      type: 'signature',
      subjects: [DIGEST],
      repository: 'registry.test/prod/web',
    });
    expect(signerOf(legacy)).toMatchObject({ ...IDENTITY, subjectType: 'uri' });
    const other = await SigstoreInstance.start();
    expect(signerOf(await other.signLegacy(DIGEST, IDENTITY))).toBeUndefined();
  });

  it('has no signer with the payload, the signature, the certificate or the log entry of another (IS05)', async () => {
    const legacy = await instance.signLegacy(DIGEST, IDENTITY);
    const other = await instance.signLegacy(`sha256:${'b'.repeat(64)}`, IDENTITY);
    for (const part of ['payload', 'signature', 'certificate', 'rekorBundle'] as const) {
      expect(signerOf({ ...legacy, [part]: other[part] })).toBeUndefined();
    }
  });

  it('has its signer, none, or is refused with the place, whatever is changed in it', async () => {
    const legacy = await instance.signLegacy(DIGEST, IDENTITY);
    fc.assert(
      fc.property(hostileValue(legacy), (value) => {
        parses(() => {
          const signer = signerOf(value);
          if (signer !== undefined) expect(signer).toMatchObject(IDENTITY);
        });
      }),
      { numRuns: 300 },
    );
  });
});

describe('a trust root', () => {
  it.each(['certificateAuthorities', 'ctlogs', 'tlogs'])('is refused without %s', (part) => {
    expect(() => new TrustRoot({ ...instance.trustedRoot, [part]: [] })).toThrow();
  });

  it('is accepted or refused, whatever is changed in it', () => {
    fc.assert(
      fc.property(hostileValue(instance.trustedRoot), (value) => {
        try {
          expect(new TrustRoot(value)).toBeInstanceOf(TrustRoot);
        } catch (error) {
          expect(error).toHaveProperty('message');
        }
      }),
      { numRuns: 300 },
    );
  });
});
