import { signal } from '@preact/signals';
import { BUILD } from './client.ts';
import { onSignOut, session, sessionEnded } from './session.ts';

/** A change: a kind of the operation `followChanges`. Without an id any of the kind may have changed. */
export interface Change {
  readonly kind: string;
  readonly id?: string;
}

/** A stream that said nothing for this time is dead; the broker sends a line every 15 seconds. */
const SILENCE_MS = 40_000;
const CHECK_MS = 5_000;
const SLOWEST_RETRY_MS = 30_000;

/** False while the page cannot learn of changes: it then loads everything again every 15 seconds. */
export const isLive = signal(true);

/** One stream for all tabs of the browser: the tab with the lock reads it, and tells the others. */
const channel = new BroadcastChannel('quaymaster-changes');
const LOCK = 'quaymaster-changes';

type Message =
  | { readonly is: 'changed'; readonly changes: readonly Change[] }
  | { readonly is: 'ready' | 'reset' | 'beat' | 'broken' | 'hello' };

/** `all`: changes were missed. `ready`: the stream begins, and does not name changes before it. */
type Listener = (changes: readonly Change[] | 'all' | 'ready' | 'beat') => void;
let listener: Listener = () => undefined;
let stopped: AbortController | undefined;
let heardAt = Date.now();
let isReading = false;

/** Registers the function that learns what changed. */
export function onChange(listen: Listener): void {
  listener = listen;
}

/** Follows the changes while a person is signed in. */
export function startLive(): void {
  channel.addEventListener('message', ({ data }: MessageEvent<Message>) => {
    if (data.is !== 'hello') take(data);
    else if (isReading) channel.postMessage({ is: 'beat' } satisfies Message);
  });
  setInterval(() => {
    if (Date.now() - heardAt > SILENCE_MS) isLive.value = false;
  }, CHECK_MS);
  session.subscribe(({ is }) => {
    if (is !== 'signed-in' || stopped !== undefined) return;
    stopped = new AbortController();
    heardAt = Date.now();
    const { signal: end } = stopped;
    channel.postMessage({ is: 'hello' } satisfies Message);
    // Without a lock (an old browser) each tab has a stream of its own; the broker limits them.
    const { locks } = navigator as { readonly locks?: LockManager };
    const work = (): Promise<void> => keepReading(end);
    void (locks?.request(LOCK, { signal: end }, work) ?? work()).catch(() => undefined);
  });
  onSignOut(() => {
    stopped?.abort();
    stopped = undefined;
  });
}

function take(message: Message): void {
  if (session.value.is !== 'signed-in') return;
  if (message.is === 'broken') {
    isLive.value = false;
    return;
  }
  const wasLive = isLive.value;
  heardAt = Date.now();
  isLive.value = true;
  if (message.is === 'reset' || !wasLive) listener('all');
  else if (message.is === 'changed') listener(message.changes);
  else listener(message.is === 'ready' ? 'ready' : 'beat');
}

function tell(message: Message): void {
  channel.postMessage(message);
  take(message);
}

/** Reads the stream, and opens it again after it broke, until the session ends. */
async function keepReading(end: AbortSignal): Promise<void> {
  const isOver = (): boolean => end.aborted;
  for (let failures = 0; !isOver(); failures += 1) {
    const silence = new AbortController();
    const cut = AbortSignal.any([end, silence.signal]);
    try {
      for await (const message of messages(cut, () => silence.abort())) {
        failures = 0;
        tell(message);
      }
    } catch {
      // It is opened again.
    }
    isReading = false;
    if (isOver()) return;
    tell({ is: 'broken' });
    const wait = Math.min(SLOWEST_RETRY_MS, 1_000 * 2 ** failures);
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function* messages(cut: AbortSignal, silent: () => void): AsyncGenerator<Message> {
  const answer = await fetch('/console/call/api/v1/changes', {
    headers: { 'X-Quaymaster-Console': BUILD },
    signal: cut,
    cache: 'no-store',
  });
  if (answer.status === 401) sessionEnded();
  if (!answer.ok || answer.body === null) throw new Error(`status ${answer.status}`);
  isReading = true;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const timer = setTimeout(silent, SILENCE_MS);
    const { done, value } = await reader.read();
    clearTimeout(timer);
    if (done) return;
    const blocks = (text + value).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const message = messageOf(block);
      if (message === 'ended') sessionEnded();
      else yield message;
    }
  }
}

/** One event of the stream. A kind of a later broker is a sign of life. */
function messageOf(block: string): Message | 'ended' {
  const field = (name: string): string | undefined =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2);
  const event = field('event');
  if (event === 'ready' || event === 'reset') return { is: event };
  if (event === 'token.ended') return 'ended';
  if (event !== 'changed') return { is: 'beat' };
  const { changes } = JSON.parse(field('data') ?? '') as { readonly changes: readonly Change[] };
  return { is: 'changed', changes };
}
