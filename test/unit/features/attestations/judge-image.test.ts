import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { parseAttestation } from '../../../../src/features/attestations/parse-attestation.ts';
import { parseSpec } from '../../../../src/broker/model/schema.ts';
import { evaluate, type PostureVerdict } from '../../../../src/domain/posture/evaluate.ts';
import type { ImageTrust } from '../../../../src/domain/posture/image-trust.ts';
import { PodNode } from '../../../../src/domain/posture/pod-node.ts';
import { compileProfile } from '../../../../src/domain/posture/profile.ts';
import { ImageSigner } from '../../../kit/images/image-signer.ts';
import { verifiedSignerOf } from '../../../kit/images/verified-signers.ts';

const NOW = Date.parse('2026-11-27T12:00:00Z');
const DAY = 86_400_000;
const DIGEST = `sha256:${'a'.repeat(64)}`;
const OTHER = `sha256:${'b'.repeat(64)}`;
const WEB = ['registry.test/prod/**'];
const BUILDER = 'https://github.com/acme/builder/.github/workflows/build.yml@refs/tags/v1';

const ci = new ImageSigner();
const rsa = new ImageSigner('rsa');
const edwards = new ImageSigner('ed25519');
const stranger = new ImageSigner();

interface Pushed {
  readonly attestation: object;
  readonly digest?: string;
  readonly createdAt?: number;
}

/** Statements as the broker keeps them. */
function trustOf(pushed: readonly (object | Pushed)[]): ImageTrust {
  const kept = pushed.map((each, index) => {
    const {
      attestation,
      createdAt = NOW,
      digest,
    } = 'attestation' in each ? each : { attestation: each };
    const { subjects, type, repository, builder, scannedAt } = parseAttestation(attestation);
    const body = Buffer.from(JSON.stringify(attestation));
    const statement = {
      id: `att_${index}`,
      type,
      repository,
      builder,
      scannedAt,
      createdAt,
      body,
      scope: [],
    };
    return { digests: digest === undefined ? subjects : [digest], statement };
  });
  return {
    of: (digest) =>
      kept.filter(({ digests }) => digests.includes(digest)).map(({ statement }) => statement),
    signerOf: verifiedSignerOf,
  };
}

function verdict(
  image: object,
  pushed: readonly (object | Pushed)[],
  { pod = {}, now = NOW }: { readonly pod?: object; readonly now?: number } = {},
): PostureVerdict {
  const profile = compileProfile('p', 1, parseSpec('posture-profile', { mode: 'enforce', image }));
  const web = { name: 'web', image: `registry.test/prod/web@${DIGEST}` };
  const whole = { metadata: {}, spec: { containers: [web] }, ...pod };
  const snapshot = {
    cluster: 'c1',
    name: 'prod/web-0',
    pod: new PodNode(whole, ''),
    trust: trustOf(pushed),
    evidenceOf: () => [],
  };
  return evaluate(profile, snapshot, now);
}

const codes = (...args: Parameters<typeof verdict>): readonly string[] =>
  verdict(...args).findings.map(({ code }) => code);

const signedBy = (...authorities: readonly object[]): object => ({
  signatures: [{ images: WEB, authorities }],
});
const BY_CI = signedBy({ name: 'ci', key: ci.pem });

describe('a rule about signatures', () => {
  it.each([
    ['ECDSA on P-256', ci],
    ['RSA', rsa],
    ['Ed25519', edwards],
  ])('accepts both forms of a signature by a pinned key: %s', (_name, signer) => {
    const rule = signedBy({ name: 'team', key: signer.pem });
    for (const signature of [signer.legacy(DIGEST), signer.bundle(DIGEST)]) {
      const { findings, trusted } = verdict(rule, [signature]);
      expect(findings).toEqual([]);
      expect(trusted).toEqual([
        {
          container: 'web',
          digest: DIGEST,
          authority: 'team',
          signer: signer.keyId,
          type: 'signature',
          attestation: 'att_0',
        },
      ]);
    }
  });

  it('misses a signature, and tells it from one by an untrusted signer (IS01)', () => {
    expect(codes(BY_CI, [])).toEqual(['signature_missing']);
    expect(codes(BY_CI, [stranger.bundle(DIGEST)])).toEqual(['signer_not_trusted']);
    expect(codes(BY_CI, [stranger.legacy(DIGEST)])).toEqual(['signer_not_trusted']);
    expect(codes(BY_CI, [stranger.bundle(DIGEST), ci.bundle(DIGEST)])).toEqual([]);
  });

  it('does not accept the signature of another image, also if it is stored for this one (IS03)', () => {
    expect(codes(BY_CI, [ci.bundle(OTHER)])).toEqual(['signature_missing']);
    expect(() => parseAttestation({ ...ci.legacy(DIGEST), payload: 'e30=' })).toThrow();
  });

  it('does not accept a changed payload (IS02)', () => {
    const good = ci.bundle(DIGEST) as { dsseEnvelope: { payload: string } };
    const payload = (ci.bundle([DIGEST, OTHER]) as typeof good).dsseEnvelope.payload;
    const changed = { ...good, dsseEnvelope: { ...good.dsseEnvelope, payload } };
    expect(codes(BY_CI, [changed])).toEqual(['signer_not_trusted']);
    const legacy = {
      ...ci.legacy(OTHER),
      signature: (ci.legacy(DIGEST) as { signature: string }).signature,
    };
    expect(codes(BY_CI, [{ attestation: legacy, digest: DIGEST }])).toEqual(['signer_not_trusted']);
  });

  it('does not accept an attestation in the place of a signature', () => {
    expect(codes(BY_CI, [ci.provenance(DIGEST, BUILDER)])).toEqual(['signature_missing']);
  });

  it('compares the repository of a simple signing as a pattern', () => {
    expect(codes(BY_CI, [ci.legacy(DIGEST, 'registry.test/dev/web')])).toEqual([
      'signer_not_trusted',
    ]);
    expect(codes(BY_CI, [ci.legacy(DIGEST, 'registry.test/prod/other:v1')])).toEqual([]);
  });

  it('is only for its images, and every rule for an image must be met', () => {
    const elsewhere = {
      ...BY_CI,
      signatures: [
        { images: ['registry.test/dev/**'], authorities: [{ name: 'ci', key: ci.pem }] },
      ],
    };
    expect(codes({ ...elsewhere, unmatched: 'allow' }, [])).toEqual([]);
    expect(codes({ ...elsewhere, unmatched: 'deny' }, [])).toEqual(['signature_missing']);
    expect(codes(elsewhere, [])).toEqual(['signature_missing']);
    const both = {
      signatures: [ci, rsa].map(({ pem }, at) => ({
        images: WEB,
        authorities: [{ name: `a${at}`, key: pem }],
      })),
    };
    expect(codes(both, [ci.bundle(DIGEST)])).toEqual(['signer_not_trusted']);
    expect(codes(both, [ci.bundle(DIGEST), rsa.legacy(DIGEST)])).toEqual([]);
  });

  it('accepts any authority of the rule', () => {
    const rule = signedBy({ name: 'ci', key: ci.pem }, { name: 'release', key: rsa.pem });
    expect(verdict(rule, [rsa.bundle(DIGEST)]).trusted[0]?.authority).toBe('release');
  });

  it('never accepts a denied key', () => {
    expect(codes({ ...BY_CI, deniedKeys: [ci.keyId] }, [ci.bundle(DIGEST)])).toEqual([
      'signer_not_trusted',
    ]);
  });

  it('accepts of a revoked key what the broker had before the revocation (IS06)', () => {
    const revoked = signedBy({ name: 'ci', key: ci.pem, revokedAt: '2026-11-20' });
    const before = {
      attestation: ci.bundle(DIGEST),
      createdAt: Date.parse('2026-11-19T23:59:59Z'),
    };
    const after = { ...before, createdAt: Date.parse('2026-11-20T00:00:00Z') };
    expect(codes(revoked, [before])).toEqual([]);
    expect(codes(revoked, [after])).toEqual(['signer_not_trusted']);
  });

  it('judges the digest that the pod names and the one that runs, if they differ (IS11)', () => {
    const status = {
      containerStatuses: [{ name: 'web', imageID: `registry.test/prod/web@${OTHER}` }],
    };
    expect(codes(BY_CI, [ci.bundle(OTHER)], { pod: { status } })).toEqual(['signature_missing']);
    expect(codes(BY_CI, [ci.bundle(DIGEST)], { pod: { status } })).toEqual(['signature_missing']);
    const both = [ci.bundle(DIGEST), ci.bundle(OTHER)];
    expect(codes(BY_CI, both, { pod: { status } })).toEqual([]);
  });

  it('judges the digest that runs if the pod names a tag, and knows nothing before', () => {
    const spec = { containers: [{ name: 'web', image: 'registry.test/prod/web:v1' }] };
    const status = {
      containerStatuses: [{ name: 'web', imageID: `registry.test/prod/web@${OTHER}` }],
    };
    const unknown = verdict(BY_CI, [ci.bundle(OTHER)], { pod: { spec } }).findings;
    expect(unknown).toMatchObject([{ code: 'image_unknown', status: 'unknown' }]);
    expect(codes(BY_CI, [ci.bundle(OTHER)], { pod: { spec, status } })).toEqual([]);
    expect(codes(BY_CI, [ci.bundle(DIGEST)], { pod: { spec, status } })).toEqual([
      'signature_missing',
    ]);
  });

  it('is not turned off by onUnknown, but by an exception until its end', () => {
    expect(verdict({ ...BY_CI, onUnknown: 'allow' }, []).findings).toMatchObject([
      { status: 'fail' },
    ]);
    const spec = parseSpec('posture-profile', {
      mode: 'enforce',
      image: BY_CI,
      exceptions: [
        {
          check: 'signature_missing',
          images: ['registry.test/prod/web'],
          until: '2026-12-01',
          reason: 'r',
          owner: 'o',
        },
      ],
    });
    const web = { name: 'web', image: `registry.test/prod/web@${DIGEST}` };
    const pod = new PodNode({ spec: { containers: [web] } }, '');
    const facts = { cluster: 'c1', name: 'prod/web-0', pod };
    const snapshot = { ...facts, trust: trustOf([]), evidenceOf: () => [] };
    const { findings, validUntil } = evaluate(compileProfile('p', 1, spec), snapshot, NOW);
    expect(findings).toMatchObject([{ status: 'excepted' }]);
    expect(validUntil).toBe(Date.parse('2026-12-01'));
  });
});

describe('a rule about attestations', () => {
  const authorities = [{ name: 'ci', key: ci.pem }];
  const built = {
    attestations: [
      {
        images: WEB,
        authorities,
        slsaProvenance: { builders: ['https://github.com/acme/builder/**'] },
      },
    ],
  };
  const scanned = { attestations: [{ images: WEB, authorities, vulnScan: { maxAge: '7d' } }] };

  it('accepts a provenance by one of the builders, signed by an authority', () => {
    expect(codes(built, [ci.provenance(DIGEST, BUILDER)])).toEqual([]);
    const old = ci.bundle(DIGEST, 'https://slsa.dev/provenance/v0.2', { builder: { id: BUILDER } });
    expect(codes(built, [old])).toEqual([]);
    expect(codes(built, [ci.provenance(DIGEST, 'https://github.com/evil/builder/x')])).toEqual([
      'attestation_missing',
    ]);
    expect(codes(built, [stranger.provenance(DIGEST, BUILDER)])).toEqual(['attestation_missing']);
    expect(codes(built, [ci.bundle(DIGEST)])).toEqual(['attestation_missing']);
    expect(codes(built, [ci.bundle(DIGEST, 'https://slsa.dev/provenance/v1', {})])).toEqual([
      'attestation_missing',
    ]);
  });

  it('accepts the newest scan until it is too old, and none from the future', () => {
    const at = (time: number): string => new Date(time).toISOString();
    const old = ci.scan(DIGEST, at(NOW - 8 * DAY));
    const fresh = ci.scan(DIGEST, at(NOW - DAY));
    expect(codes(scanned, [old])).toEqual(['attestation_missing']);
    const { findings, validUntil } = verdict(scanned, [old, fresh]);
    expect(findings).toEqual([]);
    expect(validUntil).toBe(NOW + 6 * DAY);
    expect(codes(scanned, [fresh], { now: NOW + 6 * DAY })).toEqual(['attestation_missing']);
    expect(codes(scanned, [ci.scan(DIGEST, at(NOW + DAY))])).toEqual(['attestation_missing']);
    expect(codes(scanned, [stranger.scan(DIGEST, at(NOW))])).toEqual(['attestation_missing']);
  });
});

describe('a profile with signatures', () => {
  const keyless = (subject: string, issuer = 'https://issuer.test'): object => ({
    trustRoots: { own: {} },
    ...signedBy({ name: 'x', keyless: { trustRoot: 'own', identities: [{ issuer, subject }] } }),
  });
  const parse = (image: object) => () => parseSpec('posture-profile', { mode: 'enforce', image });

  it.each([
    ['a private key', signedBy({ name: 'x', key: privatePem() })],
    ['two keys in one text', signedBy({ name: 'x', key: ci.pem + rsa.pem })],
    ['a weak RSA key', signedBy({ name: 'x', key: weakPem() })],
    ['an authority without a key', signedBy({ name: 'x' })],
    [
      'a rule without images',
      { signatures: [{ images: [], authorities: [{ name: 'x', key: ci.pem }] }] },
    ],
    [
      'an attestation rule that demands nothing',
      { attestations: [{ images: WEB, authorities: [{ name: 'x', key: ci.pem }] }] },
    ],
    ['a subject that begins with a wildcard', keyless('*')],
    ['a wildcard in the host', keyless('https://*.test/acme')],
    ['a wildcard as the host', keyless('https://**')],
    ['a wildcard in an e-mail address', keyless('*@acme.test')],
    ['an issuer of any host', keyless('a@acme.test', 'https://*')],
    ['a root that the profile does not have', { ...keyless('a@acme.test'), trustRoots: {} }],
    ['an invalid id of a key', { ...BY_CI, deniedKeys: ['abc'] }],
  ])('is refused with %s (IS04)', (_name, image) => {
    expect(parse(image)).toThrow();
  });

  it('is accepted with exact names and with patterns whose beginning is literal', () => {
    expect(parse(keyless('dev@acme.test'))).not.toThrow();
    expect(
      parse(keyless('https://github.com/acme/*/.github/workflows/r.yml@refs/tags/*')),
    ).not.toThrow();
  });
});

function privatePem(): string {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  }) as string;
}

function weakPem(): string {
  return generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey.export({
    type: 'spki',
    format: 'pem',
  }) as string;
}
