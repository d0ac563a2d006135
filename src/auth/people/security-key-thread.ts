import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import type { AnsweredKey, KeyAssertion, KeyRegistration } from '../../ports/people.ts';

/** One answer to check. It has either a registration, or an assertion and the key that must have signed it. */
export interface KeyCheck {
  readonly kind: 'quaymaster-security-key';
  readonly origin: string;
  readonly rpId: string;
  readonly algorithms: readonly number[];
  readonly challenge: string;
  readonly registration?: KeyRegistration;
  readonly assertion?: KeyAssertion;
  readonly publicKey?: string;
}

/**
 * The library runs in a thread that ends after one check: its certificate parser changes the global `Reflect`, and the process that holds the
 * secrets keeps its own. Its memory (30 MB) is free again afterwards.
 * @throws Error with the library's message for an answer that it refuses
 */
export function checkInThread(check: KeyCheck, signal: AbortSignal): Promise<AnsweredKey> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<AnsweredKey>();
  const thread = new Worker(new URL(import.meta.url), { workerData: check, env: {} });
  const stop = (): void => void thread.terminate();
  signal.addEventListener('abort', stop, { once: true });
  thread.on('message', resolve).on('error', reject);
  thread.on('exit', () => {
    signal.removeEventListener('abort', stop);
    reject(new Error('the thread ended before the answer was checked'));
  });
  return promise;
}

async function verifyAnswer({
  registration,
  assertion,
  publicKey = '',
  ...expected
}: KeyCheck): Promise<AnsweredKey> {
  const library = await import('@simplewebauthn/server');
  const demands = {
    expectedChallenge: expected.challenge,
    expectedOrigin: expected.origin,
    expectedRPID: expected.rpId,
    requireUserVerification: true,
  };
  if (registration !== undefined) {
    const { registrationInfo } = await library.verifyRegistrationResponse({
      ...demands,
      response: whole(registration),
      supportedAlgorithmIDs: [...expected.algorithms],
    });
    if (registrationInfo === undefined) throw new Error('the attestation is not valid');
    const { id, publicKey: key, counter } = registrationInfo.credential;
    return { credentialId: id, publicKey: Buffer.from(key).toString('base64url'), counter };
  }
  if (assertion === undefined) throw new Error('nothing to check');
  // The broker compares the counter itself, in the commit that stores the new one.
  const credential = {
    id: assertion.id,
    publicKey: Buffer.from(publicKey, 'base64url'),
    counter: 0,
  };
  const { verified, authenticationInfo } = await library.verifyAuthenticationResponse({
    ...demands,
    response: whole(assertion),
    credential,
  });
  if (!verified) throw new Error('the signature is not valid');
  return { credentialId: assertion.id, publicKey, counter: authenticationInfo.newCounter };
}

/** The JSON form of WebAuthn §5.1 around the fields that the broker takes. */
function whole<T extends { readonly id: string }>({ id, ...response }: T) {
  return { id, rawId: id, type: 'public-key' as const, response, clientExtensionResults: {} };
}

const check = workerData as KeyCheck | null;
if (!isMainThread && check?.kind === 'quaymaster-security-key') {
  // A rejection ends the thread, which reports it as its error.
  void verifyAnswer(check).then((answered) => parentPort?.postMessage(answered));
}
