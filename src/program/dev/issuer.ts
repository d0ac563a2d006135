import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  exportJWK,
  exportPKCS8,
  generateKeyPair,
  importPKCS8,
  SignJWT,
  type CryptoKey,
} from 'jose';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { randomId } from '../../crypto/random/random.ts';

/** Clusters mostly sign with RSA, but to generate such a key takes 50 ms of a first start. */
const ALGORITHM = 'ES256';

type Algorithm = 'ES256' | 'RS256';

const TOKEN_SECONDS = 3_600;

/** Pod that exists only in the claims of its tokens. */
export interface DevPod {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly name: string;
}

/** Derives a UID. It is the same after a restart, so that sessions and quarantines of the pod stay valid. */
export function uidOf(kind: 'node' | 'pod' | 'sa', name: string): string {
  return sha256Hex(`${kind}/${name}`).replace(
    /^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/,
    '$1-$2-$3-$4-$5',
  );
}

/**
 * A token issuer on this machine, for development without a cluster. Its tokens have exactly the claims of a bound service-account token
 * (KEP-1205).
 */
export class DevIssuer {
  static readonly issuer = 'https://dev.quaymaster.invalid';
  static readonly audience = 'quaymaster';
  /** File of the key set that a `jwks` connection reads. */
  readonly keySetFile: string;
  readonly #key: CryptoKey;
  readonly #algorithm: Algorithm;

  private constructor(keySetFile: string, key: CryptoKey, algorithm: Algorithm) {
    this.keySetFile = keySetFile;
    this.#key = key;
    this.#algorithm = algorithm;
  }

  /** Keeps its key in the directory, so that tokens stay valid after a restart. */
  static async open(directory: string, algorithm: Algorithm = ALGORITHM): Promise<DevIssuer> {
    const keyFile = join(directory, 'issuer-key.pem');
    const keySetFile = join(directory, 'issuer.jwks.json');
    const pem = await readFile(keyFile, 'utf8').catch(() => undefined);
    if (pem !== undefined)
      return new DevIssuer(keySetFile, await importPKCS8(pem, algorithm), algorithm);
    const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: algorithm, alg: algorithm, use: 'sig' };
    await writeFile(keySetFile, JSON.stringify({ keys: [jwk] }), { mode: 0o600 });
    await writeFile(keyFile, await exportPKCS8(privateKey), { mode: 0o600 });
    return new DevIssuer(keySetFile, privateKey, algorithm);
  }

  async token(pod: DevPod, nowMs: number): Promise<string> {
    const now = Math.floor(nowMs / 1000);
    const { namespace, serviceAccount, name } = pod;
    const bound = {
      namespace,
      node: { name: 'dev-node', uid: uidOf('node', 'dev-node') },
      pod: { name, uid: uidOf('pod', `${namespace}/${name}`) },
      serviceaccount: {
        name: serviceAccount,
        uid: uidOf('sa', `${namespace}/${serviceAccount}`),
      },
    };
    return new SignJWT({ 'kubernetes.io': bound })
      .setProtectedHeader({ alg: this.#algorithm, kid: this.#algorithm })
      .setIssuer(DevIssuer.issuer)
      .setAudience([DevIssuer.audience])
      .setSubject(`system:serviceaccount:${namespace}:${serviceAccount}`)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + TOKEN_SECONDS)
      .setJti(randomId('jti'))
      .sign(this.#key);
  }
}
