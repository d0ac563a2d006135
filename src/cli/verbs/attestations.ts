import type { components } from '../../client/index.ts';
import { imageReference } from '../../domain/posture/image-reference.ts';
import { readStdin } from '../input/ask.ts';
import { readBytes, readText } from '../connection/connection.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { counted } from '../kernel/count.ts';
import { defined } from '../kernel/defined.ts';
import { Failed, UsageError } from '../kernel/errors.ts';
import { jsonObject } from '../input/json-object.ts';
import { fields } from '../output/table.ts';
import { fetchAttestations } from '../input/oci-registry.ts';

type Content = components['schemas']['AttestationContent'];
type Accepted = components['schemas']['AcceptedAttestation'];

interface PushOptions {
  readonly digest?: string;
  readonly payload?: string;
  readonly signature?: string;
  readonly fromRegistry?: string;
  readonly registryCa?: string;
  readonly registryLogin?: string;
  readonly registryHost?: readonly string[];
}

/** Pushes everything that the options name. */
export async function runPush(
  context: CliContext,
  { args: [file], options }: Call<PushOptions>,
): Promise<void> {
  const { digest, payload, signature, fromRegistry } = options;
  const sources = [file, payload ?? signature, fromRegistry].filter((each) => each !== undefined);
  if (sources.length !== 1 || (payload === undefined) !== (signature === undefined)) {
    throw new UsageError(
      'give one of: a file with a bundle, --payload with --signature, or --from-registry',
    );
  }
  const found =
    fromRegistry !== undefined
      ? await ofRegistry(context, fromRegistry, options)
      : { digest, contents: [await ofFiles(context, file, options)] };
  const broker = await context.broker();
  const items: Accepted[] = [];
  for (const attestation of found.contents) {
    const body = defined({ digest: found.digest, attestation });
    items.push((await broker.call('pushAttestation', { body })).body);
  }
  await context.output.show({ items }, () => items.map(pushedText).join('\n'));
}

async function ofRegistry(
  context: CliContext,
  image: string,
  { digest, registryCa, registryLogin, registryHost: hosts = [] }: PushOptions,
): Promise<{ readonly digest: string; readonly contents: readonly Content[] }> {
  const reference = imageReference(image);
  if (reference?.digest === undefined || digest !== undefined) {
    throw new UsageError(
      '--from-registry needs the image with its digest, such as registry.example/prod/web@sha256:…, and no --digest: a tag may name another image tomorrow',
    );
  }
  const access = {
    hosts,
    ...(registryCa !== undefined && { ca: await readText(registryCa) }),
    ...(registryLogin !== undefined && { login: (await readText(registryLogin)).trim() }),
  };
  const wanted = { repository: reference.repository, digest: reference.digest };
  const contents = await fetchAttestations(wanted, access, context);
  if (contents.length === 0) {
    throw new Failed(
      `${image} has no signature and no attestation in its registry; sign it first: cosign sign --key cosign.key ${image}`,
    );
  }
  context.output.note(`${counted(contents.length, 'attestation')} in the registry`);
  return { digest: reference.digest, contents };
}

async function ofFiles(
  context: CliContext,
  file: string | undefined,
  { payload, signature }: Pick<PushOptions, 'payload' | 'signature'>,
): Promise<Content> {
  if (payload !== undefined && signature !== undefined) {
    const [bytes, text] = await Promise.all([readBytes(payload), readText(signature)]);
    return { payload: bytes.toString('base64'), signature: text.trim() };
  }
  const text = file === '-' ? (await readStdin(context)).toString() : await readText(file ?? '');
  const bundle = jsonObject(text);
  if (bundle === undefined) throw new Failed(`${file ?? ''} is not a JSON object`);
  return bundle;
}

function pushedText({ id, digest, type, acceptedBy }: Accepted): string {
  return `stored ${id}: ${type} of ${digest}, ${acceptedText(acceptedBy)}`;
}

function acceptedText(acceptedBy: Accepted['acceptedBy']): string {
  return acceptedBy.length === 0
    ? 'accepted by no authority of any posture profile'
    : `accepted by ${acceptedBy.map(({ profile, authority }) => `${authority} (profile ${profile})`).join(', ')}`;
}

export async function runShow(
  context: CliContext,
  { args: [id = ''] }: Call<object>,
): Promise<void> {
  const { body } = await (await context.broker()).call('readAttestation', { path: { id } });
  await context.output.show(body, () =>
    fields(
      [
        ['id', body.id],
        ['image', body.digest],
        ['type', body.type],
        ['signer', acceptedText(body.acceptedBy)],
        ...(body.repository === undefined ? [] : ([['repository', body.repository]] as const)),
        ...(body.builder === undefined ? [] : ([['builder', body.builder]] as const)),
        ...(body.scannedAt === undefined ? [] : ([['scanned', body.scannedAt]] as const)),
        ['bytes', body.bytes],
        ['created', body.createdAt],
        ['by', body.createdBy],
      ],
      context.clock.now(),
    ),
  );
}
