import { status } from '@grpc/grpc-js';
import { renderSecret } from '../files/secret-renderer.ts';
import { ApiError, type SuccessBody, type WorkloadSession } from '../../client/index.ts';
import type { SecretData } from '../../domain/secrets/secret.ts';
import { Sensitive } from '../../domain/secrets/sensitive.ts';
import type { MountedFile, MountResponse, ObjectVersion } from './driver-protocol.ts';
import { grpcStatus, MountRefused, NO_CREDENTIALS } from './mount-refused.ts';
import type { MountSpec, MountedObject } from './mount-spec.ts';
import type { PodSessions } from './pod-sessions.ts';

/** The driver's default limit (`--max-call-recv-msg-size`), less the overhead of the message. */
const MOST_BYTES = 4 * 1024 * 1024 - 64 * 1024;

type Item = SuccessBody<'readSecrets'>['items'][number];

/** Logs in as the pod, reads everything in one batch, and renders the files: all or none. @throws MountRefused */
export async function mountVolume(
  spec: MountSpec,
  sessions: PodSessions,
  signal: AbortSignal,
): Promise<MountResponse> {
  const items = await readAll(spec, sessions, signal);
  const failed = spec.objects.flatMap(({ path }, index) => {
    const item = items[index];
    return item === undefined || 'error' in item ? [{ path, item }] : [];
  });
  if (failed.length > 0) throw refusal(failed);
  const files = spec.objects.flatMap((object, index) => filesOf(object, items[index]));
  if (files.reduce((sum, { contents }) => sum + contents.length, 0) > MOST_BYTES) {
    throw new MountRefused(
      status.RESOURCE_EXHAUSTED,
      'the files have more than 4 MiB together, which the driver does not accept',
    );
  }
  return { files, objectVersion: versionsOf(spec.objects, items) };
}

/** Logs in once more if the session was ended. */
async function readAll(
  spec: MountSpec,
  sessions: PodSessions,
  signal: AbortSignal,
): Promise<readonly Item[]> {
  const session = await sessions.of(spec.token, signal);
  try {
    return await read(session, spec.objects, signal);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 401) throw error;
    await sessions.forget(spec.token, session);
    return read(await sessions.of(spec.token, signal), spec.objects, signal);
  }
}

async function read(
  { client }: WorkloadSession,
  objects: readonly MountedObject[],
  signal: AbortSignal,
): Promise<readonly Item[]> {
  const items = objects.map(({ path, version }) => ({
    path,
    ...(version !== undefined && { version }),
  }));
  return (await client.call('readSecrets', { body: { items }, signal })).body.items;
}

interface Failed {
  readonly path: string;
  readonly item: Item | undefined;
}

/** The status of the first failure, the reasons of all. */
function refusal(failed: readonly Failed[]): MountRefused {
  const errors = failed.flatMap(({ item }) =>
    item !== undefined && 'error' in item ? [item.error] : [],
  );
  const reasons = failed.map(({ path, item }) => `${path}: ${reasonOf(item)}`).join('; ');
  const [first] = errors;
  if (first === undefined) return new MountRefused(status.INTERNAL, reasons);
  return new MountRefused(grpcStatus(first.status), `${reasons} (request ${first.requestId})`);
}

function reasonOf(item: Item | undefined): string {
  if (item === undefined || !('error' in item)) return 'not answered';
  const { code } = item.error;
  return code === 'ERR_CONFLICT' ? `${code}: is a dynamic credential; ${NO_CREDENTIALS}` : code;
}

function filesOf(object: MountedObject, item: Item | undefined): readonly MountedFile[] {
  if (item === undefined || 'error' in item) return [];
  const { path, key, file, format, mode } = object;
  const held = {
    name: path,
    path,
    version: item.version,
    data: new Sensitive(key === undefined ? item.data : only(key, item.data, path)),
    leaseId: undefined,
    endsAt: undefined,
    stale: false,
  };
  const rendered = render({ name: path, file, format, mode }, held);
  return rendered.map(({ target, bytes }) => ({
    path: key === undefined ? target : file,
    mode,
    contents: bytes,
  }));
}

function only(key: string, data: SecretData, path: string): SecretData {
  const value = Object.hasOwn(data, key) ? data[key] : undefined;
  // The key may not be a file name; the target is set by the caller.
  if (value !== undefined) return { value };
  throw new MountRefused(status.NOT_FOUND, `${path}: has no key ${JSON.stringify(key)}`);
}

/** A failure to render names path and key. */
function render(...of: Parameters<typeof renderSecret>): ReturnType<typeof renderSecret> {
  try {
    return renderSecret(...of);
  } catch (error) {
    const message = error instanceof Error ? error.message : 'cannot be written';
    throw new MountRefused(status.FAILED_PRECONDITION, message);
  }
}

/** Lists the versions. A path that occurs twice is one object. */
function versionsOf(
  objects: readonly MountedObject[],
  items: readonly Item[],
): readonly ObjectVersion[] {
  const versions = new Map<string, ObjectVersion>();
  for (const [index, { path, version }] of objects.entries()) {
    const item = items[index];
    const id = version === undefined ? path : `${path}@${version}`;
    if (item !== undefined && 'version' in item) versions.set(id, { id, version: item.version });
  }
  return [...versions.values()];
}
