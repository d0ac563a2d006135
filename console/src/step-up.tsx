import { useEffect, useState } from 'preact/hooks';
import type { JSX } from 'preact';
import { useAttempt } from './attempt.ts';
import { call, Refusal, send, type Schema } from './client.ts';
import { Problem, State } from './parts.tsx';
import { session } from './session.ts';

/** Contexts of a proof with a security key (`acr` of the refusal). */
const WEBAUTHN = 'webauthn';
/** The tab in which the person logged in again tells the others. */
const channel = new BroadcastChannel('quaymaster-step-up');

/** Reports whether the broker refused because the login is not recent. */
export function isStepUp({ code }: Refusal): boolean {
  return code === 'ERR_STEP_UP_REQUIRED';
}

/**
 * Lets the person confirm a dangerous operation, beside the form that keeps what was typed: with a security key, or at the issuer in a tab of its own.
 * `onConfirmed` repeats the operation.
 */
export function StepUp({
  error,
  onConfirmed,
}: {
  readonly error: Refusal;
  readonly onConfirmed: () => void;
}): JSX.Element {
  const { error: failure, attempt } = useAttempt(refusalOf);
  const [address, setAddress] = useState<string>();
  const isByKey = error.acr.includes(WEBAUTHN);
  useEffect(() => {
    const listen = (): void => {
      setAddress(undefined);
      onConfirmed();
    };
    channel.addEventListener('message', listen);
    return () => channel.removeEventListener('message', listen);
  }, [onConfirmed]);
  return (
    <div class="notice" role="alert">
      <p>
        <State tone="warn">Confirm that it is you</State>
      </p>
      {isByKey ? (
        <>
          <p>This needs your security key. What you typed stays.</p>
          <button
            type="button"
            onClick={() =>
              void attempt(async () => {
                await proveKey();
                onConfirmed();
              })
            }
          >
            Use your security key
          </button>
        </>
      ) : (
        <>
          <p>This needs a recent login. What you typed stays.</p>
          {address === undefined ? (
            <button
              type="button"
              onClick={() => void attempt(async () => setAddress(await beginAtIssuer()))}
            >
              Log in again
            </button>
          ) : (
            <a class="button" href={address} target="_blank">
              Continue at <bdi>{issuerOf()}</bdi> in a new tab
            </a>
          )}
        </>
      )}
      {failure !== undefined && <Problem error={failure} />}
    </div>
  );
}

/** The view to which the issuer returns: it tells the tab with the form. */
export function Confirmed(): JSX.Element {
  useEffect(() => channel.postMessage('confirmed'), []);
  return (
    <main id="main" class="login" tabIndex={-1}>
      <h1>Confirmed</h1>
      <p>
        Your login is recent again. Return to the tab with the form, which continues. You can close
        this tab.
      </p>
    </main>
  );
}

/** The issuer in the name of a person, `oidc:<issuer>/<subject>`. */
function issuerOf(): string {
  const { value } = session;
  if (value.is !== 'signed-in') return '';
  return /^oidc:([^/]+)\//.exec(value.own.operator)?.[1] ?? '';
}

async function beginAtIssuer(): Promise<string> {
  const order = { issuer: issuerOf(), returnTo: '/console/confirmed', stepUp: true };
  const begun = await send('POST', '/console/login', order);
  return (begun as { readonly address: string }).address;
}

/** Asks the browser for a proof with one of the person's keys, for the challenge of the broker. */
async function proveKey(): Promise<void> {
  const begun = await call('beginSecurityKey', { body: { purpose: 'prove' } });
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON({
    challenge: begun.challenge,
    rpId: begun.rpId,
    allowCredentials: begun.credentials.map((id) => ({ type: 'public-key', id })),
    userVerification: 'required',
  });
  const credential = await navigator.credentials.get({ publicKey });
  if (!(credential instanceof PublicKeyCredential))
    throw new Refusal(0, { detail: 'The browser returned no proof of a security key.' });
  const { id, response } = credential.toJSON() as unknown as {
    readonly id: string;
    readonly response: Omit<Extract<Schema<'SecurityKeyAnswer'>, { signature: string }>, 'id'>;
  };
  const { clientDataJSON, authenticatorData, signature } = response;
  await call('finishSecurityKey', { body: { id, clientDataJSON, authenticatorData, signature } });
}

function refusalOf(thrown: unknown): Refusal {
  if (thrown instanceof Refusal) return thrown;
  const name = thrown instanceof Error ? thrown.name : '';
  return new Refusal(0, { detail: `The security key did not confirm (${name}).` });
}
