import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { encrypt } from '../../../../src/crypto/aead/aead.ts';
import {
  columnData,
  dataKeyData,
  secretValueData,
  type SecretPlace,
} from '../../../../src/crypto/aead/associated-data.ts';
import {
  decryptValue,
  decryptWithDek,
  encryptValue,
  unwrapDek,
  type EncryptedValue,
} from '../../../../src/crypto/encryption/envelope.ts';
import { Keyring } from '../../../../src/crypto/keys/keyring.ts';
import { generateRootKey, RootKey } from '../../../../src/crypto/keys/root-keys.ts';
import {
  decryptAt,
  encryptAt,
  type ColumnAt,
} from '../../../../src/broker/kernel/encrypted-columns.ts';
import type { FindRootKey } from '../../../../src/crypto/keys/root-keys.ts';
import { apiServerDigest } from '../../../../src/broker/state/enrolled-clusters.ts';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import { isWellFormedToken } from '../../../../src/crypto/random/token.ts';
import { importSecretKey } from '../../../../src/crypto/random/secret-key.ts';
import { codeOf } from '../../../kit/checks/error-code.ts';

interface CredentialPlace {
  readonly installation: string;
  readonly credentialId: string;
}
interface RotationPlace {
  readonly installation: string;
  readonly rotationId: string;
  readonly path: string;
  readonly slot: 'pending' | 'previous';
}
interface WrappedAnswerPlace {
  readonly installation: string;
  readonly wrappingId: string;
}
interface EnrolmentPlace {
  readonly installation: string;
  readonly clusterUid: string;
  readonly apiServer: string;
}

/** The functions for one kind of column, as its table declares it. */
function columnOf<Place extends { readonly installation: string }>(at: (place: Place) => ColumnAt) {
  return {
    encrypt: (active: RootKey, place: Place, plaintext: Uint8Array): Buffer => {
      const keyring = { active, find: () => undefined };
      return encryptAt({ keyring, installation: place.installation }, at(place), plaintext);
    },
    decrypt: (found: FindRootKey, place: Place, encrypted: Uint8Array): Buffer => {
      const keyring = { active: root, find: found };
      return decryptAt({ keyring, installation: place.installation }, at(place), encrypted);
    },
  };
}

const { encrypt: encryptCredential, decrypt: decryptCredential } = columnOf(
  ({ credentialId: id }: CredentialPlace) => ({
    table: 'credentials',
    column: 'sealed',
    row: { id },
  }),
);
const { encrypt: encryptRotation, decrypt: decryptRotation } = columnOf(
  ({ rotationId: id, path, slot: column }: RotationPlace) => ({
    table: 'rotations',
    column,
    row: { id, path },
  }),
);
const { encrypt: encryptWrappedAnswer, decrypt: decryptWrappedAnswer } = columnOf(
  ({ wrappingId: id }: WrappedAnswerPlace) => ({
    table: 'wrapped_answers',
    column: 'sealed',
    row: { id },
  }),
);
const { encrypt: encryptEnrolment, decrypt: decryptEnrolment } = columnOf(
  ({ clusterUid: cluster_uid, apiServer: api_server }: EnrolmentPlace) => ({
    table: 'enrolments',
    column: 'sealed',
    row: { cluster_uid, api_server },
  }),
);

interface EnvelopeCase {
  readonly name: string;
  readonly place: SecretPlace;
  readonly rootKeyId: string;
  readonly wrappedDek: string;
  readonly ciphertext: string;
  readonly expect: string;
}
interface EnvelopeVectors {
  readonly rootKeys: Record<string, string>;
  readonly worked: Record<
    'valueAssociatedData' | 'dataKeyAssociatedData' | 'dek' | 'wrapKey',
    string
  >;
  readonly cases: EnvelopeCase[];
  readonly credential: { place: CredentialPlace; sealed: string; expect: string };
  readonly rotation: { place: RotationPlace; sealed: string; expect: string };
}

const vectors = JSON.parse(
  readFileSync('test/vectors/envelope-v1.json', 'utf8'),
) as EnvelopeVectors;
const [[rootKeyId, rootKeyHex] = ['', '']] = Object.entries(vectors.rootKeys);
const root = new RootKey(rootKeyId, importSecretKey(Buffer.from(rootKeyHex, 'hex')));
const keyring = new Keyring(root);
const find = keyring.find.bind(keyring);
const place = { installation: 'in_a', secretId: 'sc_a', path: 'payments/db', version: 3 };
const INVALID = 'ERR_CIPHERTEXT_INVALID';

describe('the envelope', () => {
  it.each(vectors.cases)('equals the frozen vector $name', (each) => {
    const sealed = {
      rootKeyId: each.rootKeyId,
      wrappedDek: Buffer.from(each.wrappedDek, 'hex'),
      ciphertext: Buffer.from(each.ciphertext, 'hex'),
    };
    const attempt = (): Buffer => decryptValue(find, each.place, sealed);
    if (each.expect === INVALID) expect(codeOf(attempt)).toBe(INVALID);
    else expect(attempt().toString()).toBe(each.expect);
  });

  it('computes the associated data and keys of the worked example', () => {
    const [worked] = vectors.cases as [EnvelopeCase];
    const wrappedDek = Buffer.from(worked.wrappedDek, 'hex');
    expect(Buffer.from(secretValueData(worked.place)).toString('hex')).toBe(
      vectors.worked.valueAssociatedData,
    );
    expect(Buffer.from(dataKeyData(worked.place, rootKeyId)).toString('hex')).toBe(
      vectors.worked.dataKeyAssociatedData,
    );
    expect(root.keyFor('dataKeyWrap').export().toString('hex')).toBe(vectors.worked.wrapKey);
    expect(unwrapDek(find, worked.place, { rootKeyId, wrappedDek }).export().toString('hex')).toBe(
      vectors.worked.dek,
    );
  });

  it('opens what it sealed, in one step or with a kept data key', () => {
    const sealed = encryptValue(root, place, Buffer.from('value'));
    expect(decryptValue(find, place, sealed).toString()).toBe('value');
    const dek = unwrapDek(find, place, sealed);
    expect(decryptWithDek(dek, place, sealed.ciphertext).toString()).toBe('value');
    expect(sealed.wrappedDek).toHaveLength(61);
  });

  it('gives each version its own data key', () => {
    const once = encryptValue(root, place, Buffer.from('value'));
    const again = encryptValue(root, place, Buffer.from('value'));
    expect(once.ciphertext).not.toEqual(again.ciphertext);
    expect(unwrapDek(find, place, once).equals(unwrapDek(find, place, again))).toBe(false);
  });

  it('refuses a value at any other place', () => {
    const sealed = encryptValue(root, place, Buffer.from('value'));
    const elsewhere: SecretPlace[] = [
      { ...place, installation: 'in_b' },
      { ...place, secretId: 'sc_b' },
      { ...place, path: 'payments/d' },
      { ...place, version: 4 },
      { ...place, installation: 'in_asc_a', secretId: '' },
    ];
    for (const other of elsewhere) {
      expect(codeOf(() => decryptValue(find, other, sealed))).toBe(INVALID);
      expect(codeOf(() => unwrapDek(find, other, sealed))).toBe(INVALID);
      expect(
        codeOf(() => decryptWithDek(unwrapDek(find, place, sealed), other, sealed.ciphertext)),
      ).toBe(INVALID);
    }
  });

  it('refuses a change of any byte of the data key and of the value (C03)', () => {
    const sealed = encryptValue(root, place, Buffer.from('value'));
    const changes = (column: 'wrappedDek' | 'ciphertext'): EncryptedValue[] =>
      Array.from(sealed[column], (byte, i) => {
        const changed = Buffer.from(sealed[column]);
        changed[i] = byte ^ 0x80;
        return { ...sealed, [column]: changed };
      });
    for (const changed of [...changes('wrappedDek'), ...changes('ciphertext')]) {
      expect(codeOf(() => decryptValue(find, place, changed))).toBe(INVALID);
    }
  });

  it('refuses a data key sealed under another root key with the same id', () => {
    const impostor = new RootKey(root.id, importSecretKey(Buffer.alloc(32, 1)));
    expect(
      codeOf(() => decryptValue(find, place, encryptValue(impostor, place, Buffer.from('value')))),
    ).toBe(INVALID);
  });

  it('refuses a value in place of a data key, even if the same root key made both', () => {
    const material = Buffer.alloc(32, 5);
    const wrappedDek = encrypt(root.keyFor('dataKeyWrap'), material, secretValueData(place));
    expect(codeOf(() => unwrapDek(find, place, { rootKeyId: root.id, wrappedDek }))).toBe(INVALID);
  });

  it('refuses places without an encoding of their own', () => {
    expect(() => encryptValue(root, { ...place, path: 'a\ud800' }, Buffer.alloc(0))).toThrow(
      TypeError,
    );
    for (const version of [-1, 1.5, 2 ** 53, Number.NaN]) {
      expect(() => encryptValue(root, { ...place, version }, Buffer.alloc(0))).toThrow(RangeError);
    }
  });
});

describe('a sealed credential', () => {
  const { place: at, sealed: hex, expect: value } = vectors.credential;
  const frozen = Buffer.from(hex, 'hex');

  it('opens the frozen vector and what it sealed itself', () => {
    expect(decryptCredential(find, at, frozen).toString()).toBe(value);
    expect(
      decryptCredential(find, at, encryptCredential(root, at, Buffer.from('v'))).toString(),
    ).toBe('v');
  });

  it('refuses another place, another root key and a change or loss of any byte', () => {
    const other = { ...at, credentialId: 'cr_0' };
    expect(codeOf(() => decryptCredential(find, other, frozen))).toBe(INVALID);
    expect(codeOf(() => decryptCredential(find, { ...at, installation: 'x' }, frozen))).toBe(
      INVALID,
    );
    expect(codeOf(() => decryptCredential(() => undefined, at, frozen))).toBe(INVALID);
    expect(codeOf(() => decryptCredential(() => generateRootKey(), at, frozen))).toBe(INVALID);
    for (let i = 0; i < frozen.length; i++) {
      const changed = Buffer.from(frozen);
      changed.writeUInt8(changed.readUInt8(i) ^ 1, i);
      expect(codeOf(() => decryptCredential(find, at, changed))).toBe(INVALID);
      expect(codeOf(() => decryptCredential(find, at, frozen.subarray(0, i)))).toBe(INVALID);
    }
  });
});

describe('the keyring', () => {
  it('has one active key, finds older ones, and never two with one id', () => {
    const older = generateRootKey();
    const ring = new Keyring(root, [older]);
    expect(ring.active).toBe(root);
    expect(ring.find(older.id)).toBe(older);
    expect(ring.find('rk_unknown')).toBeUndefined();
    expect([...ring.ids()].sort()).toEqual([older.id, root.id].sort());
    expect(() => new Keyring(root, [root])).toThrow(RangeError);
    expect(ring.active).toBe(root);
  });

  it('prints nothing of a key', () => {
    const printed = `${inspect(keyring, { depth: 9, showHidden: true })}${JSON.stringify(keyring)}${JSON.stringify(root)}`;
    expect(printed).not.toContain(rootKeyHex);
    expect(inspect(root.keyFor('rowMac'), { depth: 9 })).not.toMatch(/[0-9a-f]{32}/);
  });
});

describe('a value that a rotation keeps', () => {
  const { place: at, sealed: hex, expect: value } = vectors.rotation;
  const frozen = Buffer.from(hex, 'hex');

  it('opens the frozen vector and what it sealed itself', () => {
    expect(decryptRotation(find, at, frozen).toString()).toBe(value);
    expect(decryptRotation(find, at, encryptRotation(root, at, Buffer.from('v'))).toString()).toBe(
      'v',
    );
  });

  it('refuses another rotation, path, slot and installation, and a change of any byte', () => {
    const others: readonly Partial<RotationPlace>[] = [
      { rotationId: 'rot_0' },
      { path: 'payments/other' },
      { slot: 'previous' },
      { installation: 'x' },
    ];
    for (const other of others)
      expect(codeOf(() => decryptRotation(find, { ...at, ...other }, frozen))).toBe(INVALID);
    expect(codeOf(() => decryptRotation(() => undefined, at, frozen))).toBe(INVALID);
    for (let i = 0; i < frozen.length; i++) {
      const changed = Buffer.from(frozen);
      changed.writeUInt8(changed.readUInt8(i) ^ 1, i);
      expect(codeOf(() => decryptRotation(find, at, changed))).toBe(INVALID);
      expect(codeOf(() => decryptRotation(find, at, frozen.subarray(0, i)))).toBe(INVALID);
    }
  });
});

describe('a wrapped answer', () => {
  const frozen = JSON.parse(readFileSync('test/vectors/wrapped-answer-v1.json', 'utf8')) as {
    readonly token: string;
    readonly place: WrappedAnswerPlace;
    readonly associatedData: string;
    readonly sealed: string;
    readonly expect: string;
  };
  const sealed = Buffer.from(frozen.sealed, 'hex');

  it('opens the frozen vector, whose place is the hash of its token, and what it sealed itself', () => {
    expect(isWellFormedToken('qmw', frozen.token)).toBe(true);
    expect(sha256Hex(frozen.token)).toBe(frozen.place.wrappingId);
    const bound = Buffer.from(
      columnData(
        {
          purpose: 'wrappedAnswer',
          installation: frozen.place.installation,
          names: [frozen.place.wrappingId],
        },
        rootKeyId,
      ),
    ).toString('hex');
    expect(bound).toBe(frozen.associatedData);
    expect(decryptWrappedAnswer(find, frozen.place, sealed).toString()).toBe(frozen.expect);
    const own = encryptWrappedAnswer(root, frozen.place, Buffer.from('v'));
    expect(decryptWrappedAnswer(find, frozen.place, own).toString()).toBe('v');
  });

  it('refuses another place, another root key, and a sealed credential at the same place', () => {
    const { place: at } = frozen;
    const credential = encryptCredential(
      root,
      { installation: at.installation, credentialId: at.wrappingId },
      Buffer.from('v'),
    );
    for (const attempt of [
      () => decryptWrappedAnswer(find, { ...at, wrappingId: 'x' }, sealed),
      () => decryptWrappedAnswer(find, { ...at, installation: 'x' }, sealed),
      () => decryptWrappedAnswer(() => generateRootKey(), at, sealed),
      () => decryptWrappedAnswer(find, at, credential),
      () => decryptWrappedAnswer(find, at, sealed.subarray(0, -1)),
    ])
      expect(codeOf(attempt)).toBe(INVALID);
  });
});

describe('the credential of an enrolled cluster', () => {
  const frozen = JSON.parse(readFileSync('test/vectors/enrolment-v1.json', 'utf8')) as {
    readonly code: string;
    readonly codeHash: string;
    readonly apiServer: Parameters<typeof apiServerDigest>[0];
    readonly apiServerDigest: string;
    readonly place: EnrolmentPlace;
    readonly associatedData: string;
    readonly sealed: string;
    readonly expect: string;
  };
  const sealed = Buffer.from(frozen.sealed, 'hex');

  it('opens the frozen vector, whose place has the digest of its API server, and what it sealed itself', () => {
    expect(isWellFormedToken('qme', frozen.code)).toBe(true);
    expect(sha256Hex(frozen.code)).toBe(frozen.codeHash);
    expect(apiServerDigest(frozen.apiServer)).toBe(frozen.apiServerDigest);
    expect(frozen.place.apiServer).toBe(frozen.apiServerDigest);
    const bound = Buffer.from(
      columnData(
        {
          purpose: 'enrolment',
          installation: frozen.place.installation,
          names: [frozen.place.clusterUid, frozen.place.apiServer],
        },
        rootKeyId,
      ),
    ).toString('hex');
    expect(bound).toBe(frozen.associatedData);
    expect(decryptEnrolment(find, frozen.place, sealed).toString()).toBe(frozen.expect);
    const own = encryptEnrolment(root, frozen.place, Buffer.from('v'));
    expect(decryptEnrolment(find, frozen.place, own).toString()).toBe('v');
  });

  it('refuses another cluster, another API server or account, and another root key', () => {
    const { place: at, apiServer } = frozen;
    const others = [
      { url: 'https://other.example.com:6443' },
      { ca: 'another authority' },
      { serviceAccount: 'quaymaster/other' },
    ].map((more) => apiServerDigest({ ...apiServer, ...more }));
    for (const attempt of [
      () => decryptEnrolment(find, { ...at, clusterUid: 'x' }, sealed),
      () => decryptEnrolment(find, { ...at, installation: 'x' }, sealed),
      ...others.map((other) => () => decryptEnrolment(find, { ...at, apiServer: other }, sealed)),
      () => decryptEnrolment(() => generateRootKey(), at, sealed),
      () => decryptEnrolment(find, at, sealed.subarray(0, -1)),
    ])
      expect(codeOf(attempt)).toBe(INVALID);
  });
});
