import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ApiError } from '../../client/index.ts';
import { readOneYaml, yamlProblemText } from '../../domain/text/strict-yaml.ts';
import { isSameSecretData } from '../../domain/secrets/same-secret-data.ts';
import type { Broker } from '../connection/broker.ts';
import { confirm } from '../connection/confirm.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { Failed, Interrupted, UsageError } from '../kernel/errors.ts';
import { keyChanges, keyChangesText } from './key-changes.ts';
import { noteOf, showWritten, type NoteOptions } from './put.ts';
import { checkSecretData, type SecretData } from '../input/secret-values.ts';

interface EditOptions extends NoteOptions {
  readonly yes?: boolean;
}

interface Current {
  readonly data: SecretData;
  /** Absent: the secret does not exist yet. */
  readonly version?: string;
}

/** Types of file systems in memory (statfs(2)): tmpfs and ramfs. */
const MEMORY: readonly number[] = [0x01021994, 0x858458f6];
const HEAD = `# One KEY: VALUE a line. A value is text; put quotes around a number, and write bytes as {base64: ...}.
# Save and close the editor to see the plan. A file without keys changes nothing.
`;

/** Opens the values of a secret in an editor, in a file in memory, and writes what was changed as a new version. */
export async function runEdit(
  context: CliContext,
  { args: [path = ''], options }: Call<EditOptions>,
): Promise<void> {
  const note = noteOf(options);
  const broker = await context.broker();
  const current = await readCurrent(broker, path);
  await inPrivateFile(context, async (file) => {
    await writeFile(file, await fileText(current.data), { mode: 0o600 });
    await editAndWrite(context, { path, file, current, note, yes: options.yes });
  });
}

interface Editing {
  readonly path: string;
  readonly file: string;
  readonly current: Current;
  readonly note: ReturnType<typeof noteOf>;
  readonly yes: boolean | undefined;
}

async function editAndWrite(context: CliContext, editing: Editing): Promise<void> {
  const { path, file, current, note, yes } = editing;
  const edited = await editedData(context, file);
  if (Object.keys(edited).length === 0 || isSameSecretData(current.data, edited)) {
    await context.output.say('no change');
    return;
  }
  context.output.note(keyChangesText(keyChanges(current.data, edited)));
  await confirm(context, (url) => `Write these keys to ${path} at ${url}`, yes);
  const { version } = current;
  const broker = await context.broker();
  const { body } = await broker.call('writeSecret', {
    path: { path },
    // The plan has shown the keys that the new version drops.
    query: { dropKeys: 'allow' },
    body: { data: edited, ...note },
    headers: version === undefined ? { 'If-None-Match': '*' } : { 'If-Match': `"${version}"` },
  });
  await showWritten(context, body);
}

async function readCurrent(broker: Broker, path: string): Promise<Current> {
  try {
    const { body } = await broker.call('readSecret', { path: { path } });
    return { data: body.data, version: body.version };
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return { data: {} };
    throw error;
  }
}

/** The keys in the file after the editor has ended. @throws UsageError, Failed */
async function editedData(context: CliContext, file: string): Promise<SecretData> {
  for (;;) {
    await openEditor(context, file);
    context.signal.throwIfAborted();
    const { data: edited, problem } = await readEdited(file);
    if (edited !== undefined) return edited;
    if (!context.stdin.isTTY) throw new UsageError(`${problem}; nothing was changed`);
    context.output.note(problem);
    await confirm(context, () => 'Edit it again', undefined);
  }
}

/** Gives the work a file in memory, of which nothing is left, also if this process is killed. If the work fails, the user keeps the text. */
async function inPrivateFile(
  context: CliContext,
  work: (file: string) => Promise<void>,
): Promise<void> {
  const { place, isMemory } = await memoryDirectory(context);
  const directory = await mkdtemp(join(place, 'quaymaster-edit-'));
  const remover = removeWhenGone(directory);
  const file = join(directory, 'secret.yaml');
  try {
    await work(file);
  } catch (error) {
    // A person who cancels, and an editor that fails, drop the text. A disk never keeps it.
    const isDropped = error instanceof Failed || error instanceof Interrupted;
    if (isMemory && !isDropped && !context.signal.aborted) await keepText(context, file);
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
    remover.end();
  }
}

/** Moves the file to a directory that the process does not remove. */
async function keepText({ output }: CliContext, file: string): Promise<void> {
  const kept = await mkdtemp(join(dirname(dirname(file)), 'quaymaster-kept-'));
  await rename(file, join(kept, 'secret.yaml'));
  output.note(
    `your text is in ${join(kept, 'secret.yaml')}, in memory and for you alone; delete it when you have repeated the change: rm -r ${kept}`,
  );
}

/** Swap files and backups of the editor are in the same directory. */
async function memoryDirectory({
  environment,
  output,
}: CliContext): Promise<{ readonly place: string; readonly isMemory: boolean }> {
  const { XDG_RUNTIME_DIR: runtime, TMPDIR: temporary } = environment.inherited;
  for (const directory of ['/dev/shm', runtime]) {
    if (directory === undefined) continue;
    const { type } = await statfs(directory).catch(() => ({ type: 0 }));
    if (MEMORY.includes(type)) return { place: directory, isMemory: true };
  }
  if (process.platform === 'darwin' && temporary !== undefined) {
    output.note('macOS has no file system in memory: the file is in TMPDIR until the editor ends');
    return { place: temporary, isMemory: false };
  }
  throw new UsageError(
    'edit needs a file system in memory, and neither /dev/shm nor XDG_RUNTIME_DIR is one; change single keys without a file: quaymaster patch PATH KEY=-',
  );
}

/** A process that removes the directory when this one has ended in any way, SIGKILL included: then its input is closed. */
function removeWhenGone(directory: string): { readonly end: () => void } {
  const script = 'cat > /dev/null; rm -rf -- "$1"';
  const stdio = ['pipe', 'ignore', 'ignore'] as const;
  const child = spawn('sh', ['-c', script, 'sh', directory], { stdio: [...stdio], detached: true });
  child.on('error', () => undefined);
  child.unref();
  return { end: () => child.stdin.end() };
}

async function fileText(data: SecretData): Promise<string> {
  if (Object.keys(data).length === 0) return HEAD;
  const { dump } = await import('js-yaml');
  return `${HEAD}${dump(data, { noRefs: true, lineWidth: -1 })}`;
}

/** Runs the editor in a shell, as git does: the variable may have options. */
async function openEditor({ environment, signal }: CliContext, file: string): Promise<void> {
  const { VISUAL, EDITOR } = environment.inherited;
  const editor = [VISUAL, EDITOR].find((each) => each !== undefined && each !== '') ?? 'vi';
  const child = spawn('sh', ['-c', `${editor} "$1"`, 'sh', file], {
    stdio: 'inherit',
    env: environment.inherited,
  });
  const [code] = (await once(child, 'close', { signal }).catch((error: unknown) => {
    child.kill();
    throw signal.aborted ? signal.reason : error;
  })) as [number | null];
  if (code === 0) return;
  throw new Failed(`the editor (${editor}) ended with ${code ?? 'a signal'}; nothing was changed`);
}

type Edited =
  | { readonly data: SecretData; readonly problem?: never }
  | { readonly data?: never; readonly problem: string };

async function readEdited(file: string): Promise<Edited> {
  const read = await readOneYaml(await readFile(file, 'utf8'));
  if ('problems' in read) {
    const [first] = read.problems;
    return { problem: first === undefined ? 'the file is not valid' : yamlProblemText(first) };
  }
  const problem = checkSecretData(read.value ?? {});
  if (problem !== undefined) return { problem };
  return { data: (read.value ?? {}) as SecretData };
}
