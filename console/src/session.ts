import { signal } from '@preact/signals';
import { BUILD, call, onAnswer, Refusal, send, type Schema } from './client.ts';

type Own = Schema<'OwnToken'>;

export type SessionState =
  | { readonly is: 'unknown' }
  | { readonly is: 'signed-out'; readonly notice?: string | undefined }
  | { readonly is: 'signed-in'; readonly own: Own; readonly endsAt: number };

/** Time without input after which the page signs out. */
const LOCK_MS = 15 * 60_000;
/** The end of a session is announced this long before. */
export const WARNING_MS = 5 * 60_000;

export const session = signal<SessionState>({ is: 'unknown' });
export const issuers = signal<readonly string[]>([]);
/** False while the broker does not answer. */
export const isOnline = signal(true);
/** The broker serves a newer page than this one. */
export const isOutdated = signal(false);

/** Tabs share the end of a session. */
const channel = new BroadcastChannel('quaymaster');
const forgetters: (() => void)[] = [];

/** Registers a function that forgets what a module remembers of the session. */
export function onSignOut(forget: () => void): void {
  forgetters.push(forget);
}

interface Described {
  readonly issuers: readonly string[];
  readonly latest?: string;
}

/** Asks the broker who is signed in. A code in the address comes from development mode and is used once. */
async function openSession(): Promise<void> {
  onAnswer(({ status, build }) => {
    isOnline.value = status !== 0;
    if (build !== null && build !== BUILD) isOutdated.value = true;
  });
  const code = /^#code=([\w-]+)$/.exec(location.hash)?.[1];
  const refused = new URLSearchParams(location.search).get('refused');
  if (location.hash !== '' || refused !== null) history.replaceState(null, '', location.pathname);
  try {
    if (code !== undefined) await send('POST', '/console/session', { code });
  } catch {
    await describe(
      'The link worked once, or its minute is over. Start npm run dev again, or type the token.',
    );
    return;
  }
  await describe(refused === null ? undefined : refusedText(refused));
}

function refusedText(code: string): string {
  if (code === 'ERR_NO_ROLE') return 'The issuer knows you, but no role binding gives you a role.';
  return `The login was refused (${code.replaceAll(/\W/g, '')}). Sign in once more.`;
}

async function describe(notice?: string): Promise<void> {
  try {
    const described = (await send('GET', '/console/session')) as Described;
    issuers.value = described.issuers;
    if (described.latest === undefined) {
      session.value = { is: 'signed-out', notice };
      return;
    }
    const own = await call('readOwnToken');
    const endsAt = Math.min(Date.parse(described.latest), Date.parse(own.endsAt));
    session.value = { is: 'signed-in', own, endsAt };
    watch(endsAt);
  } catch (error) {
    if (error instanceof Refusal && error.isSignedOut) {
      await send('DELETE', '/console/session').catch(() => undefined);
      session.value = {
        is: 'signed-out',
        notice: notice ?? 'The broker does not accept this token, or it expired.',
      };
      return;
    }
    session.value = {
      is: 'signed-out',
      notice: error instanceof Error ? error.message : undefined,
    };
  }
}

export async function signInWithToken(token: string): Promise<void> {
  await send('POST', '/console/session', { token });
  await describe();
}

/** Leaves for the issuer; the broker returns to the same view. */
export async function signInAt(issuer: string): Promise<void> {
  const returnTo = location.pathname + location.search;
  const begun = await send('POST', '/console/login', { issuer, returnTo });
  location.assign((begun as { readonly address: string }).address);
}

export function isPerson(own: Own): boolean {
  return own.operator.startsWith('oidc:');
}

/** Ends the session at the broker, in this browser and in its other tabs. */
export async function signOut({ everywhere = false } = {}): Promise<void> {
  const { value } = session;
  if (value.is === 'signed-in' && isPerson(value.own)) {
    const query = { everywhere: everywhere ? 'true' : 'false' } as const;
    await call('endOwnLogin', { query }).catch(() => undefined);
  }
  await send('DELETE', '/console/session').catch(() => undefined);
  channel.postMessage('signed-out');
  forget(undefined);
}

/** Forgets everything that the page knows. A new load of the page leaves nothing for the back button. */
function forget(notice: string | undefined): void {
  for (const each of forgetters) each();
  session.value = { is: 'signed-out', notice };
}

/** Called for each answer that says the session is over. */
export function sessionEnded(): void {
  if (session.value.is === 'signed-in')
    forget('Your session ended. Sign in again; this address stays.');
}

let timer: ReturnType<typeof setInterval> | undefined;
let lastInput = Date.now();

function watch(endsAt: number): void {
  clearInterval(timer);
  lastInput = Date.now();
  timer = setInterval(() => {
    if (session.value.is !== 'signed-in') clearInterval(timer);
    else if (Date.now() > endsAt) sessionEnded();
    else if (Date.now() - lastInput > LOCK_MS)
      void signOut().then(() => forget('Signed out after 15 minutes without input.'));
  }, 5_000);
}

export function startSession(): void {
  for (const name of ['keydown', 'pointerdown', 'pointermove', 'wheel'])
    addEventListener(name, () => (lastInput = Date.now()), { passive: true });
  channel.addEventListener('message', ({ data }) => {
    if (data === 'signed-out') forget('Signed out in another tab.');
  });
  // A page from the cache of the back button may be older than the end of its session.
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) location.reload();
  });
  void openSession();
}
