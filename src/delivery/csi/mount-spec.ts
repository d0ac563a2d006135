import { status } from '@grpc/grpc-js';
import * as z from 'zod';
import {
  FILE_ENDINGS,
  FORMATS,
  MODE_RULE,
  parseMode,
  targetProblem,
  targetsOverlap,
  type Format,
} from '../files/file-options.ts';
import { readOneYaml, yamlProblemText } from '../../domain/text/strict-yaml.ts';
import { isSecretPath } from '../../domain/words/names.ts';
import { Sensitive } from '../../domain/secrets/sensitive.ts';
import { MountRefused, NO_CREDENTIALS } from './mount-refused.ts';
import { pointerTo } from '../../domain/words/json-pointer.ts';

const TOKENS = 'csi.storage.k8s.io/serviceAccount.tokens';
const POD = 'csi.storage.k8s.io/pod.name';
const NAMESPACE = 'csi.storage.k8s.io/pod.namespace';
/** The broker accepts as many items in one batch. */
const MOST_OBJECTS = 100;

const attributesSchema = z.looseObject({
  objects: z.string(),
  [TOKENS]: z.string().optional(),
  [POD]: z.string().default(''),
  [NAMESPACE]: z.string().default(''),
});

const tokensSchema = z.record(z.string(), z.looseObject({ token: z.string().min(1) }));

const objectSchema = z
  .strictObject({
    path: z.string().refine(isSecretPath, 'must be the path of a secret'),
    version: z.string().min(1).max(128).optional(),
    /** A setting of the agent, refused with an explanation. */
    credential: z.undefined(NO_CREDENTIALS).optional(),
    /** Path below the volume; a folder if the format is `files`. */
    file: z
      .string()
      .refine(
        (file) => targetProblem(file) === undefined,
        'must be a relative path within the volume',
      )
      .optional(),
    format: z.enum(FORMATS).optional(),
    /** The file contains only the value of this key. */
    key: z.string().min(1).max(256).optional(),
    mode: z
      .string()
      .refine((text) => parseMode(text) !== undefined, MODE_RULE)
      .default('0444'),
  })
  .refine(({ key, format }) => key === undefined || format === undefined, {
    path: ['format'],
    message: 'cannot be combined with key',
  });

const objectsSchema = z.array(objectSchema).min(1).max(MOST_OBJECTS);

/** Secret, or one key of it, as a file or a folder of the volume. */
export interface MountedObject {
  readonly path: string;
  readonly version: string | undefined;
  readonly file: string;
  readonly format: Format;
  readonly key: string | undefined;
  readonly mode: number;
}

/** A request of the driver: the pod's token, and the files. */
export interface MountSpec {
  /** Name of the pod, for the log only: the author of a SecretProviderClass can set it too. The token identifies the pod. */
  readonly pod: string;
  readonly token: Sensitive<string>;
  readonly objects: readonly MountedObject[];
}

/** @throws MountRefused with every problem of the objects at once */
export async function readMountSpec(attributes: string, audience: string): Promise<MountSpec> {
  const parsed = attributesSchema.safeParse(parsedJson(attributes));
  if (!parsed.success) {
    throw invalid('the SecretProviderClass needs the parameter "objects", a YAML list');
  }
  const { objects, [TOKENS]: tokens, [POD]: pod, [NAMESPACE]: namespace } = parsed.data;
  return {
    pod: `${namespace}/${pod}`,
    objects: await readObjects(objects),
    token: new Sensitive(tokenFor(audience, tokens)),
  };
}

function tokenFor(audience: string, text: string | undefined): string {
  const tokens = tokensSchema.safeParse(parsedJson(text ?? ''));
  const token =
    tokens.success && Object.hasOwn(tokens.data, audience) ? tokens.data[audience] : undefined;
  if (token !== undefined) return token.token;
  throw new MountRefused(
    status.FAILED_PRECONDITION,
    `the driver sent no token of the pod for the audience "${audience}": add it to the driver's tokenRequests`,
  );
}

async function readObjects(text: string): Promise<readonly MountedObject[]> {
  const read = await readOneYaml(text);
  if ('problems' in read) {
    throw invalid(`"objects": ${read.problems.map(yamlProblemText).join('; ')}`);
  }
  const checked = objectsSchema.safeParse(read.value);
  if (!checked.success) {
    const problems = checked.error.issues.map(
      ({ path, message }) => `${pointerTo(path) || '/'}: ${message}`,
    );
    throw invalid(`"objects" is not valid: ${problems.join('; ')}`);
  }
  const objects = checked.data.map(completed);
  for (const [index, { file }] of objects.entries()) {
    if (objects.slice(0, index).some((earlier) => targetsOverlap(earlier.file, file))) {
      throw invalid(`"objects" is not valid: /${index}/file: overlaps with that of another object`);
    }
  }
  return objects;
}

function completed(object: z.output<typeof objectSchema>): MountedObject {
  const { path, version, key, mode } = object;
  const format = key === undefined ? (object.format ?? 'json') : 'files';
  const name = path.slice(path.lastIndexOf('/') + 1);
  const file = object.file ?? key ?? `${name}${FILE_ENDINGS[format]}`;
  if (targetProblem(file) !== undefined)
    throw invalid(`the key of ${path} cannot be a file name: set "file"`);
  return { path, version, key, format, file, mode: parseMode(mode) ?? 0 };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function invalid(message: string): MountRefused {
  return new MountRefused(status.INVALID_ARGUMENT, message);
}
