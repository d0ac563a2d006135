import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { fetchAttestations } from '../../src/cli/input/oci-registry.ts';
import { systemClock } from '../../src/process/clock.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { imageFindings, type Content } from '../kit/images/image-findings.ts';
import { opinionsOf, podPolicy, type Opinion } from '../kit/delivery/kyverno.ts';
import { SignedImages, type SignatureForm, type Signer } from '../kit/images/signed-images.ts';

const FORMS: readonly SignatureForm[] = ['bundle', 'legacy'];
const SIGNERS: readonly Signer[] = ['ci', 'other'];
/** The types of Kyverno's rules. Each rule is about one form. */
const TYPES = { bundle: 'SigstoreBundle', legacy: 'Cosign' } as const;

const context = { clock: systemClock, signal: new AbortController().signal };

type Signature = readonly [form: SignatureForm, by: Signer];

/** The images of the registry by their tags, with the signatures that both verifiers have to accept. */
const IMAGES: Readonly<Record<string, readonly Signature[]>> = {
  'signed-in-both-forms': [
    ['bundle', 'ci'],
    ['legacy', 'ci'],
  ],
  'with-a-bundle': [['bundle', 'ci']],
  'with-a-legacy-signature': [['legacy', 'ci']],
  'signed-by-another-key': [
    ['bundle', 'other'],
    ['legacy', 'other'],
  ],
  unsigned: [],
  'with-signatures-of-another-image': [],
  'under-a-moved-tag': [],
};

const ALL = FORMS.flatMap((form) => SIGNERS.map((signer): Signature => [form, signer]));

describeWith(['cosign', 'kyverno'], 'Kyverno and the broker on an image', ({ cosign, kyverno }) => {
  let images: SignedImages;
  let opinions: readonly Opinion[];
  const digests = new Map<string, string>();

  async function push(tag: string, signatures: readonly Signature[]): Promise<string> {
    const digest = await images.push(tag);
    for (const [form, by] of signatures) await images.sign(digest, form, by);
    digests.set(tag, digest);
    return digest;
  }

  beforeAll(async () => {
    images = await SignedImages.make(cosign);
    const signatures = IMAGES['signed-in-both-forms']!;
    await push('under-a-moved-tag', signatures);
    for (const [tag, each] of Object.entries(IMAGES)) await push(tag, each);
    const [from, to] = ['signed-in-both-forms', 'with-signatures-of-another-image'] as const;
    await images.copySignatures(digests.get(from)!, digests.get(to)!);
    const policies = ALL.map((each) => policyOf(...each));
    opinions = await opinionsOf(kyverno, policies, Object.keys(IMAGES).map(podOf), ['--registry']);
    expect(opinions).toHaveLength(policies.length * digests.size);
    expect(opinions.filter(({ result }) => result !== 'pass' && result !== 'fail')).toEqual([]);
  }, 180_000);
  afterAll(() => images.remove());

  /** A rule that demands a signature of one form by one key. */
  function policyOf(form: SignatureForm, signer: Signer): object {
    const offline = { rekor: { ignoreTlog: true }, ctlog: { ignoreSCT: true } };
    const keys = { publicKeys: images.keys[signer], ...offline };
    const rule = {
      type: TYPES[form],
      imageReferences: [`${images.repository}*`],
      attestors: [{ entries: [{ keys }] }],
      mutateDigest: false,
      verifyDigest: false,
      // Otherwise a second result says whether an earlier admission has verified the image.
      required: false,
    };
    return podPolicy(`${form}-${signer}`, { verifyImages: [rule] });
  }

  function podOf(tag: string): object {
    const containers = [{ name: 'web', image: `${images.repository}:${tag}` }];
    return { apiVersion: 'v1', kind: 'Pod', metadata: { name: tag }, spec: { containers } };
  }

  /** The signatures that Kyverno accepts. */
  function acceptedByKyverno(tag: string): readonly Signature[] {
    return ALL.filter(([form, signer]) =>
      opinions.some(
        ({ policy, pod, result }) =>
          policy === `${form}-${signer}` && pod === tag && result === 'pass',
      ),
    );
  }

  const fetched = (tag: string): Promise<readonly Content[]> =>
    fetchAttestations({ repository: images.repository, digest: digests.get(tag)! }, {}, context);

  /** The signatures that the broker accepts if the pipeline pushes what is in the registry. */
  async function acceptedHere(
    tag: string,
    pushed: Promise<readonly Content[]> = fetched(tag),
  ): Promise<readonly Signature[]> {
    const { repository } = images;
    const contents = await pushed;
    return ALL.filter(([form, signer]) => {
      const ofForm = contents.filter((each) => 'payload' in each === (form === 'legacy'));
      const authorities = [{ name: signer, key: images.keys[signer] }];
      const demands = { signatures: [{ images: [repository], authorities }] };
      const image = { repository, digest: digests.get(tag)! };
      return imageFindings(image, demands, ofForm).length === 0;
    });
  }

  it.each(Object.entries(IMAGES))('accept the same signatures: %s', async (tag, expected) => {
    expect(acceptedByKyverno(tag)).toEqual(expected);
    expect(await acceptedHere(tag)).toEqual(expected);
  });

  it('accept no signature of another image, whether the registry or the pipeline has mixed them up', async () => {
    const tag = 'with-signatures-of-another-image';
    // The client leaves a bundle out whose manifest names another image.
    expect(await fetched(tag)).toHaveLength(1);
    const others = fetched('signed-in-both-forms');
    expect(await others).toHaveLength(2);
    expect(await acceptedHere(tag, others)).toEqual([]);
    expect(await fetched('unsigned')).toEqual([]);
  });
});
