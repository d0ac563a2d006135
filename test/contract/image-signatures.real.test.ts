import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { parseAttestation } from '../../src/features/attestations/parse-attestation.ts';
import { fetchAttestations } from '../../src/cli/input/oci-registry.ts';
import { systemClock } from '../../src/process/clock.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { imageFindings, type Content } from '../kit/images/image-findings.ts';
import { SignedImages } from '../kit/images/signed-images.ts';

const context = { clock: systemClock, signal: new AbortController().signal };

describeWith(['cosign'], 'images that the real cosign signed', ({ cosign }) => {
  let images: SignedImages;
  let digest: string;
  let fetched: readonly Content[];

  beforeAll(async () => {
    images = await SignedImages.make(cosign);
    digest = await images.push('v1');
    await images.sign(digest, 'bundle');
    await images.sign(digest, 'legacy');
    await images.attest(digest, 'slsaprovenance', {
      builder: { id: 'https://builder.test/ci' },
      buildType: 'test',
    });
    const now = new Date().toISOString();
    await images.attest(digest, 'vuln', {
      invocation: {},
      scanner: { uri: 'test', version: '1', db: {}, result: {} },
      metadata: { scanStartedOn: now, scanFinishedOn: now },
    });
    fetched = await fetch(digest);
  }, 120_000);
  afterAll(() => images.remove());

  const fetch = (of: string): Promise<readonly Content[]> =>
    fetchAttestations({ repository: images.repository, digest: of }, {}, context);

  function codes(key: string, contents: readonly Content[], of = digest): readonly string[] {
    const { repository } = images;
    const rule = { images: [repository], authorities: [{ name: 'ci', key }] };
    const demands = {
      slsaProvenance: { builders: ['https://builder.test/*'] },
      vulnScan: { maxAge: '1d' },
    };
    const image = { signatures: [rule], attestations: [{ ...rule, ...demands }] };
    return imageFindings({ repository, digest: of }, image, contents).map(({ code }) => code);
  }

  it('are fetched from the registry with both forms of signatures and their attestations', () => {
    const types = fetched.map((content) => parseAttestation(content).type).sort();
    expect(types).toEqual([
      'https://cosign.sigstore.dev/attestation/vuln/v1',
      'https://slsa.dev/provenance/v0.2',
      'signature',
      'signature',
    ]);
    expect(fetched.filter((content) => 'payload' in content)).toHaveLength(1);
  });

  it('are trusted by the key that signed, in each form alone, and by no other key (IS01)', () => {
    expect(codes(images.keys.ci, fetched)).toEqual([]);
    const isLegacy = (content: Content): boolean => 'payload' in content;
    expect(codes(images.keys.ci, fetched.filter(isLegacy))).not.toContain('signer_not_trusted');
    expect(codes(images.keys.ci, fetched.filter(isLegacy))).not.toContain('signature_missing');
    expect(
      codes(
        images.keys.ci,
        fetched.filter((each) => !isLegacy(each)),
      ),
    ).toEqual([]);
    expect(codes(images.keys.other, fetched)).toEqual([
      'signer_not_trusted',
      'attestation_missing',
      'attestation_missing',
    ]);
  });

  it('are not trusted after their tag was moved to another image (IS03)', async () => {
    const moved = await images.push('v1');
    expect(moved).not.toBe(digest);
    expect(await fetch(moved)).toEqual([]);
    expect(codes(images.keys.ci, fetched, moved)).toContain('signature_missing');
  });

  it('are not trusted with a changed payload (IS02)', () => {
    const changed = fetched.map((content) => {
      if ('payload' in content) {
        const { payload, ...rest } = content as { payload: string };
        const text = Buffer.from(payload, 'base64').toString();
        return { ...rest, payload: Buffer.from(text.replace('}', ',"x":1}')).toString('base64') };
      }
      const { dsseEnvelope, ...rest } = content as { dsseEnvelope: { payload: string } };
      const text = Buffer.from(dsseEnvelope.payload, 'base64').toString();
      const payload = Buffer.from(text.replace(/}$/, ',"x":1}')).toString('base64');
      return { ...rest, dsseEnvelope: { ...dsseEnvelope, payload } };
    });
    expect(codes(images.keys.ci, changed)).toEqual([
      'signer_not_trusted',
      'attestation_missing',
      'attestation_missing',
    ]);
  });
});
