import type { JSX } from 'preact';
import { useAttempt } from './attempt.ts';
import { Problem } from './parts.tsx';
import { issuers, signInAt, signInWithToken } from './session.ts';

/** The login: at an issuer of the configuration, or with an operator token that is typed once and not kept by the page. */
export function Login({ notice }: { readonly notice?: string | undefined }): JSX.Element {
  const { error, isRunning, attempt } = useAttempt();
  return (
    <main id="main" class="login" tabIndex={-1}>
      <h1>Quaymaster</h1>
      <p class="quiet">
        Console of <bdi>{location.host}</bdi>
      </p>
      {notice !== undefined && (
        <p class="notice" role="status">
          {notice}
        </p>
      )}
      {issuers.value.map((issuer) => (
        <button
          key={issuer}
          type="button"
          class="primary wide"
          disabled={isRunning}
          onClick={() => void attempt(() => signInAt(issuer))}
        >
          Sign in with <bdi>{issuer}</bdi>
        </button>
      ))}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          const field = event.currentTarget.elements.namedItem('token') as HTMLInputElement;
          const token = field.value.trim();
          field.value = '';
          void attempt(() => signInWithToken(token));
        }}
      >
        <label>
          Operator token
          <input
            name="token"
            type="password"
            required
            pattern="\s*qmo_[0-9A-Za-z]{49}\s*"
            title="An operator token begins with qmo_"
            autocomplete="off"
            spellcheck={false}
          />
        </label>
        <button class={issuers.value.length === 0 ? 'primary wide' : 'wide'} disabled={isRunning}>
          Sign in with a token
        </button>
      </form>
      {error !== undefined && <Problem error={error} />}
    </main>
  );
}
