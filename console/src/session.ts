import { signal } from '@preact/signals';
import { brokerNow, learnTime } from './clock.ts';
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

/** Tabs share one cookie, so they share the end of a session, its operator, and the time of the last input. */
const channel = new BroadcastChannel('quaymaster');
type Message =
  | { readonly is: 'signed-out' }
  | { readonly is: 'input' }
  | { readonly is: 'signed-in'; readonly operator: string };
/** A tab tells the others of its input at most this often. */
const INPUT_PACE_MS = 5_000;
const forgetters: (() => void)[] = [];

/** Registers a function that forgets what a module remembers of the session. */
export function onSignOut(forget: () => void): void {
  forgetters.push(forget);
}

interface Described {
  readonly issuers: readonly string[];
  readonly latest?: string;
  /** The reason of a login that the broker refused just now. */
  readonly refused?: string;
}

/** Asks the broker who is signed in. A code in the address comes from development mode and is used once. */
async function openSession(): Promise<void> {
  onAnswer(({ status, build, date }) => {
    isOnline.value = status !== 0;
    learnTime(date);
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
  return `The login was refused (${code.replaceAll(/\W/g, '')}). Sign in once more.`;
}

async function describe(notice?: string): Promise<void> {
  try {
    const described = (await send('GET', '/console/session')) as Described;
    issuers.value = described.issuers;
    if (described.latest === undefined) {
      const { refused } = described;
      session.value = {
        is: 'signed-out',
        notice: refused === undefined ? notice : `${refused}. Ask an admin for what is missing.`,
      };
      return;
    }
    const own = await call('readOwnToken');
    const endsAt = Math.min(Date.parse(described.latest), Date.parse(own.endsAt));
    session.value = { is: 'signed-in', own, endsAt };
    tell({ is: 'signed-in', operator: own.operator });
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

/** Learns the rights of the person again, which an approval or another operator may have changed. */
export async function refreshRights(): Promise<void> {
  const own = await call('readOwnToken');
  const { value } = session;
  if (value.is === 'signed-in' && JSON.stringify(own) !== JSON.stringify(value.own))
    session.value = { ...value, own };
}

export async function signInWithToken(token: string): Promise<void> {
  await send('POST', '/console/session', { token });
  await describe();
  const { value } = session;
  // The broker takes none of two cookies of one name: a page on another port of this host can set one.
  if (value.is === 'signed-out' && value.notice === undefined)
    session.value = {
      is: 'signed-out',
      notice:
        'The browser did not keep the cookie of the session, or has another one of its name. Allow cookies of this address, or remove them, and sign in again.',
    };
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

interface SigningOut {
  readonly everywhere?: boolean;
  readonly notice?: string;
}

/** Ends the session at the broker, in this browser and in its other tabs. */
export async function signOut({ everywhere = false, notice }: SigningOut = {}): Promise<void> {
  const { value } = session;
  if (value.is === 'signed-in' && isPerson(value.own)) {
    const query = { everywhere: everywhere ? 'true' : 'false' } as const;
    await call('endOwnLogin', { query }).catch(() => undefined);
  }
  const isEnded = await send('DELETE', '/console/session').then(
    () => true,
    () => false,
  );
  tell({ is: 'signed-out' });
  forget(isEnded ? notice : STILL_OPEN);
}

const STILL_OPEN =
  'This page forgot everything, but the broker did not answer: the session of this browser is still open. Load the page again, and sign out once more.';

function tell(message: Message): void {
  channel.postMessage(message);
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
    else if (brokerNow() > endsAt) sessionEnded();
    else if (Date.now() - lastInput > LOCK_MS)
      void signOut({ notice: 'Signed out after 15 minutes without input.' });
  }, 5_000);
}

/** A person who works in one tab is not signed out by another one. */
function noteInput(): void {
  const isNews = Date.now() - lastInput > INPUT_PACE_MS;
  lastInput = Date.now();
  if (isNews) tell({ is: 'input' });
}

/** The requests of this tab now have the rights of another operator: what it shows is not theirs. */
function yieldTo(operator: string): void {
  const { value } = session;
  if (value.is !== 'signed-in' || value.own.operator === operator) return;
  forget(`${operator} signed in in another tab. Load this page again to continue as ${operator}.`);
}

export function startSession(): void {
  for (const name of ['keydown', 'pointerdown', 'pointermove', 'wheel'])
    addEventListener(name, noteInput, { passive: true });
  channel.addEventListener('message', ({ data }: MessageEvent<Message>) => {
    if (data.is === 'input') lastInput = Date.now();
    else if (data.is === 'signed-out') forget('Signed out in another tab.');
    else yieldTo(data.operator);
  });
  // A page from the cache of the back button may be older than the end of its session.
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) location.reload();
  });
  void openSession();
}
