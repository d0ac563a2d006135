import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

export interface KeyOrder {
  readonly challenge: string;
  readonly rpId: string;
}

/** Fault that a test puts into an answer. */
export interface Deviation {
  readonly origin?: string;
  readonly rpId?: string;
  readonly challenge?: string;
  readonly type?: string;
  readonly isVerified?: boolean;
  readonly isPresent?: boolean;
  /** The counter of this answer; the key counts on from it. */
  readonly counter?: number;
}

const UP = 0x01;
const UV = 0x04;
const AT = 0x40;
const ES256 = -7;

/** A security key in software: ES256, no attestation, with a signature counter (WebAuthn §6). */
export class SoftwareKey {
  readonly credentialId: string;
  readonly #origin: string;
  readonly #privateKey: KeyObject;
  #counter = 0;

  constructor(origin: string) {
    this.#origin = origin;
    this.credentialId = randomBytes(32).toString('base64url');
    this.#privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  }

  register(order: KeyOrder, wrong: Deviation = {}) {
    const { x = '', y = '' } = this.#privateKey.export({ format: 'jwk' });
    const coseKey = map(
      [int(1), int(2)],
      [int(3), int(ES256)],
      [int(-1), int(1)],
      [int(-2), bytes(Buffer.from(x, 'base64url'))],
      [int(-3), bytes(Buffer.from(y, 'base64url'))],
    );
    const id = Buffer.from(this.credentialId, 'base64url');
    const length = Buffer.alloc(2);
    length.writeUInt16BE(id.length);
    const attested = Buffer.concat([Buffer.alloc(16), length, id, coseKey]);
    const authData = Buffer.concat([this.#head(order, wrong, AT), attested]);
    const attestation = map(
      [text('fmt'), text('none')],
      [text('attStmt'), map()],
      [text('authData'), bytes(authData)],
    );
    return {
      id: this.credentialId,
      clientDataJSON: this.#clientData(order, 'webauthn.create', wrong).toString('base64url'),
      attestationObject: attestation.toString('base64url'),
    };
  }

  prove(order: KeyOrder, wrong: Deviation = {}) {
    const authenticatorData = this.#head(order, wrong, 0);
    const clientData = this.#clientData(order, 'webauthn.get', wrong);
    const hash = createHash('sha256').update(clientData).digest();
    const signature = sign('sha256', Buffer.concat([authenticatorData, hash]), this.#privateKey);
    return {
      id: this.credentialId,
      clientDataJSON: clientData.toString('base64url'),
      authenticatorData: authenticatorData.toString('base64url'),
      signature: signature.toString('base64url'),
    };
  }

  #head({ rpId }: KeyOrder, wrong: Deviation, more: number): Buffer {
    this.#counter = wrong.counter ?? this.#counter + 1;
    const { isPresent = true, isVerified = true } = wrong;
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(this.#counter);
    const hash = createHash('sha256')
      .update(wrong.rpId ?? rpId)
      .digest();
    const flags = (isPresent ? UP : 0) | (isVerified ? UV : 0) | more;
    return Buffer.concat([hash, Buffer.from([flags]), counter]);
  }

  #clientData({ challenge }: KeyOrder, type: string, wrong: Deviation): Buffer {
    const data = { type, challenge, origin: this.#origin, crossOrigin: false, ...only(wrong) };
    return Buffer.from(JSON.stringify(data));
  }
}

function only({ origin, challenge, type }: Deviation): object {
  return {
    ...(origin !== undefined && { origin }),
    ...(challenge !== undefined && { challenge }),
    ...(type !== undefined && { type }),
  };
}

/** CBOR (RFC 8949): the head of an item. */
function head(major: number, value: number): Buffer {
  if (value < 24) return Buffer.from([(major << 5) | value]);
  if (value < 256) return Buffer.from([(major << 5) | 24, value]);
  return Buffer.from([(major << 5) | 25, value >> 8, value & 255]);
}

const int = (value: number): Buffer => (value < 0 ? head(1, -1 - value) : head(0, value));
const text = (value: string): Buffer => Buffer.concat([head(3, value.length), Buffer.from(value)]);
const bytes = (value: Uint8Array): Buffer => Buffer.concat([head(2, value.length), value]);
const map = (...entries: readonly (readonly [Buffer, Buffer])[]): Buffer =>
  Buffer.concat([head(5, entries.length), ...entries.flat()]);
