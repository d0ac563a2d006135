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
import { randomId } from '../../crypto/random.ts';

const ALGORITHM = 'RS256';
const TOKEN_SECONDS = 3_600;
const KEY_ID = 'dev';

/** A pod that exists only in the claims of its tokens. */
export interface DevPod {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly name: string;
}

/**
 * A token issuer on this machine, for development without a cluster. Its tokens have exactly the claims of a bound service-account token
 * (KEP-1205).
 */
export class DevIssuer {
  static readonly issuer = 'https://dev.quaymaster.invalid';
  static readonly audience = 'quaymaster';
  /** The key set that a `jwks` connection reads. */
  readonly keySetFile: string;
  readonly #key: CryptoKey;
  readonly #uids = new Map<string, string>();

  private constructor(keySetFile: string, key: CryptoKey) {
    this.keySetFile = keySetFile;
    this.#key = key;
  }

  /** Keeps its key in the directory, so that tokens stay valid after a restart. */
  static async open(directory: string): Promise<DevIssuer> {
    const keyFile = join(directory, 'issuer.pem');
    const keySetFile = join(directory, 'issuer.jwks.json');
    const pem = await readFile(keyFile, 'utf8').catch(() => undefined);
    if (pem !== undefined) return new DevIssuer(keySetFile, await importPKCS8(pem, ALGORITHM));
    const { privateKey, publicKey } = await generateKeyPair(ALGORITHM, { extractable: true });
    const jwk = { ...(await exportJWK(publicKey)), kid: KEY_ID, alg: ALGORITHM, use: 'sig' };
    await writeFile(keySetFile, JSON.stringify({ keys: [jwk] }), { mode: 0o600 });
    await writeFile(keyFile, await exportPKCS8(privateKey), { mode: 0o600 });
    return new DevIssuer(keySetFile, privateKey);
  }

  async token(pod: DevPod, nowMs: number): Promise<string> {
    const now = Math.floor(nowMs / 1000);
    const { namespace, serviceAccount, name } = pod;
    const bound = {
      namespace,
      node: { name: 'dev-node', uid: this.#uid('node') },
      pod: { name, uid: this.#uid(`pod/${namespace}/${name}`) },
      serviceaccount: { name: serviceAccount, uid: this.#uid(`sa/${namespace}/${serviceAccount}`) },
    };
    return new SignJWT({ 'kubernetes.io': bound })
      .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID })
      .setIssuer(DevIssuer.issuer)
      .setAudience([DevIssuer.audience])
      .setSubject(`system:serviceaccount:${namespace}:${serviceAccount}`)
      .setIssuedAt(now)
      .setNotBefore(now)
      .setExpirationTime(now + TOKEN_SECONDS)
      .setJti(randomId('jti'))
      .sign(this.#key);
  }

  #uid(of: string): string {
    const known = this.#uids.get(of);
    if (known !== undefined) return known;
    const uid = crypto.randomUUID();
    this.#uids.set(of, uid);
    return uid;
  }
}
